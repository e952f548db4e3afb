"""A link that is too thin for two streams: the one of higher priority is whole, the other skips, and recovers."""

import asyncio
import re
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node
from tests.e2e.compare import assert_faithful, witness
from tests.e2e.flv import AUDIO
from tests.e2e.network import Network, available
from tests.e2e.player import Player, playing
from tests.e2e.publisher import Publisher, publishing
from tests.e2e.tasks import asynctest

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")

PRIORITY = '{"live/high" = {priority = 1}}'
THIN_KBPS = 450
"""One of the streams has about 330."""


def delay_s(publisher: Publisher, player: Player, count: int = 1) -> float:
    """How long after they were sent the newest frames arrived, the median of so many."""
    sent_at = dict(zip([tag.payload for tag in publisher.sent], publisher.sent_at, strict=True))
    return statistics.median(arrival.at - sent_at[arrival.tag.payload] for arrival in player.arrivals[-count:])


def skips(node: Node) -> int:
    """How often the streams that a node fetches have skipped."""
    found = re.search(r'^mesh_relay_skips_total{direction="in"} (\d+)', node.get("/metrics")[1].decode(), re.M)
    return int(found[1]) if found else 0


@pytest.mark.soak
@asynctest
async def test_on_a_thin_link_one_stream_is_whole_and_the_other_skips_pictures_but_no_sound(tmp_path: Path, capsys):
    with (
        Network("a", "b") as network,
        Cluster(tmp_path, network, stream__patterns=PRIORITY, relay__lag_s="2") as cluster,
    ):
        a, b = cluster.start("a", "b")
        urls = [f"{node.http}/live/{name}.flv?wait=5&redirect=0" for node in (a, b) for name in ("high", "low")]
        async with (
            publishing(f"{a.rtmp}/live/high", synthetic.stream(60, seed=1)) as high,
            publishing(f"{a.rtmp}/live/low", synthetic.stream(60, seed=2)) as low,
            playing(*urls) as players,
        ):
            near_high, near_low, far_high, far_low = players
            for player in players:
                await player.has(25)
            network.shape("a", "b", oneway=True, rate_kbps=THIN_KBPS)
            await asyncio.sleep(9)
            thin = delay_s(high, far_high, 300), delay_s(low, far_low, 150)
            network.heal()
            await far_low.has(len(far_low.frames) + 75)
            await assert_faithful(high, [far_high, near_high])
            await assert_faithful(low, [near_low])
            (report,) = await witness(low, [far_low])
            frames = [tag for tag in low.sent if not tag.config]
            missing = [frames[place] for place in report.lost]
            with capsys.disabled():
                print(f"\nthin: {thin[0]:.2f} s late with priority, {thin[1]:.2f} s without;", end=" ")
                print(f"{len(missing)} of {len(frames)} frames skipped in {skips(b)} skips;", end=" ")
                print(f"afterwards {delay_s(low, far_low):.3f} s late")
            assert not report.doubled and not report.disordered and not report.unknown
            assert missing and not any(tag.kind == AUDIO for tag in missing)
            pictures = [tag for tag in frames if tag.kind != AUDIO]
            gone = {tag.payload for tag in missing}
            resumed = [
                after for before, after in pairwise(pictures) if before.payload in gone and after.payload not in gone
            ]
            assert all(tag.keyframe for tag in resumed)
            assert skips(b) == len(resumed)
            assert delay_s(low, far_low) < 0.5
            near = await witness(low, [near_low])
            assert near[0].longest_stall_s < report.longest_stall_s
