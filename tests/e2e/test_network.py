"""The links of a network do to real nodes what they are told to."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, eventually, quiet
from tests.e2e.compare import assert_faithful, witness
from tests.e2e.network import HERE, Network, available
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest
from tests.e2e.test_death import status

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")


@asynctest
async def test_links_delay_hold_and_reset_and_a_relay_loses_nothing(tmp_path: Path):
    with Network("a", "b") as network, Cluster(tmp_path, network) as cluster:
        a, b = cluster.start("a", "b")
        urls = f"{a.http}/live/x.flv?wait=5", f"{b.http}/live/x.flv?wait=5&redirect=0"
        async with publishing(f"{a.rtmp}/live/x", synthetic.stream(60)) as publisher, playing(*urls) as players:
            for player in players:
                await player.has(20)
            network.reset("a", "b")
            await players[1].has(len(players[0].frames) + 20)
            network.shape("a", "b", held=True)
            await asyncio.sleep(1.5)
            network.shape("a", "b", held=False)
            await assert_faithful(publisher, players)
            near, far = await witness(publisher, players)
            assert near.longest_stall_s < (0.5 if quiet() else 1.2) < far.longest_stall_s < 5
            assert 22 <= near.longest_step_ms == far.longest_step_ms <= 40
            network.shape("a", "b", delay_ms=100)
            await players[1].has(len(players[1].frames) + 20)
            late = [tag.payload for tag in players[0].tags].index(players[1].tags[-1].payload)
            assert players[1].arrivals[-1].at - players[0].arrivals[late].at > 0.09
        network.cut("b", (HERE, "a"))
        await eventually(lambda: status(a, "b") == "dead", "nobody hears of b")
        network.heal()
        await eventually(lambda: a.sees("a", "b") and b.sees("a", "b"), "they are back")
