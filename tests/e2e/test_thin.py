"""A link that is too thin for two streams: the one of higher priority is whole, the other skips, and recovers."""

import asyncio
import re
import statistics
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node
from tests.e2e.compare import Comparison, assert_faithful, witness
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


def urls(node: Node) -> list[str]:
    return [f"{node.http}/live/{name}.flv?wait=9&redirect=0" for name in ("high", "low")]


def assert_skips_whole_runs(low: Publisher, report: Comparison) -> tuple[int, int]:
    """Pictures up to a keyframe are missing, and no sound; how many frames, in how many runs."""
    assert not report.doubled and not report.disordered and not report.unknown
    frames = [tag for tag in low.sent if not tag.config]
    missing = [frames[place] for place in report.lost]
    assert missing and not any(tag.kind == AUDIO for tag in missing)
    pictures = [tag for tag in frames if tag.kind != AUDIO]
    gone = {tag.payload for tag in missing}
    resumed = [after for before, after in pairwise(pictures) if before.payload in gone and after.payload not in gone]
    assert all(tag.keyframe for tag in resumed)
    return len(missing), len(resumed)


@pytest.mark.soak
@asynctest
async def test_on_a_thin_link_one_stream_is_whole_and_the_other_skips_pictures_but_no_sound(tmp_path: Path, capsys):
    """b is at the end of the thin link, and c follows b."""
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network("a", "b", "c"))
        cluster = stack.enter_context(Cluster(tmp_path, network, stream__patterns=PRIORITY, relay__lag_s="2"))
        a, b, c = cluster.start("a", "b", "c")
        network.cut("a", "c")
        high, low = [
            await stack.enter_async_context(publishing(f"{a.rtmp}/live/{name}", synthetic.stream(60, seed=seed)))
            for seed, name in enumerate(("high", "low"), 1)
        ]
        players = []
        for node in (a, b, c):
            players.append(await stack.enter_async_context(playing(*urls(node))))
            for player in players[-1]:
                await player.has(25)
        network.shape("a", "b", oneway=True, rate_kbps=THIN_KBPS)
        await asyncio.sleep(9)
        thin = [(delay_s(high, far_high, 300), delay_s(low, far_low, 150)) for far_high, far_low in players[1:]]
        network.shape("a", "b", oneway=True, rate_kbps=0)
        for _, far_low in players[1:]:
            await far_low.has(len(far_low.frames) + 75)
        highs, (near_low, *far_lows) = zip(*players, strict=True)
        await assert_faithful(high, highs)
        await assert_faithful(low, [near_low])
        (near,) = await witness(low, [near_low])
        for hops, (report, late) in enumerate(zip(await witness(low, far_lows), thin, strict=True), 1):
            missing, runs = assert_skips_whole_runs(low, report)
            afterwards = delay_s(low, far_lows[hops - 1])
            with capsys.disabled():
                print(f"\nthin, {hops} hops: {late[0]:.2f} s late with priority, {late[1]:.2f} s without;", end=" ")
                print(
                    f"{missing} of {len(low.sent)} frames skipped in {runs} skips; afterwards {afterwards:.3f} s late"
                )
            assert runs == skips(b)
            assert afterwards < 0.5
            assert near.longest_stall_s < report.longest_stall_s
