"""ffmpeg comes back to its stream on other nodes, with another picture and then other codecs: the players stay."""

import asyncio
from itertools import groupby, pairwise

import pytest

from tests.e2e.cluster import Cluster, Node
from tests.e2e.flv import AUDIO, VIDEO, Tag
from tests.e2e.player import Player, playing
from tests.e2e.programs import TEST_SOURCE, program, run
from tests.e2e.tasks import asynctest
from tests.e2e.test_death import eventually

pytestmark = pytest.mark.soak

KEY = "live/x"
LARGE = tuple(part.replace("320x240", "640x360") for part in TEST_SOURCE)
FLASH = (*TEST_SOURCE[: TEST_SOURCE.index("-c:v")], "-c:v", "flv1", "-g", "25", "-c:a", "libmp3lame", "-ar", "44100")
"""Codecs that have no sequence headers."""
AVC, AAC = 7, 10
SLACK_MS = 300


def codec(tag: Tag) -> int:
    return tag.payload[0] & 15 if tag.kind == VIDEO else tag.payload[0] >> 4


def is_header(tag: Tag) -> bool:
    return codec(tag) == (AVC if tag.kind == VIDEO else AAC) and tag.payload[1] == 0


async def publish(source: tuple[str, ...], node: Node, players: list[Player]) -> None:
    """Publish until each player has had some seconds of it; then vanish without a goodbye."""
    counts = [len(player.arrivals) for player in players]
    async with program(*source, "-f", "flv", f"{node.rtmp}/{KEY}") as encoder:
        for player, count in zip(players, counts, strict=True):
            await player.until(lambda player, count=count: len(player.arrivals) > count + 200, "nothing new")
        encoder.kill()


def assert_continuous(player: Player) -> list[str]:
    """Time grows as it passed, and each new picture begins with its headers and a keyframe; what was seen."""
    for kind in (AUDIO, VIDEO):
        frames = [arrival for arrival in player.arrivals if arrival.tag.kind == kind and not is_header(arrival.tag)]
        for before, after in pairwise(frames):
            step, passed = after.tag.timestamp - before.tag.timestamp, 1000 * (after.at - before.at)
            assert 0 < step < max(passed, 50) + SLACK_MS, f"{step} ms after {passed:.0f} ms, {player.url}"
    seen, header = [], b""
    for tag in [tag for tag in player.tags if tag.kind == VIDEO]:
        header = tag.payload if is_header(tag) else header
        seen.append((codec(tag), header if codec(tag) == AVC else b"", is_header(tag), tag.payload[0] >> 4 == 1))
    runs = [(look, [(head, key) for *_, head, key in shown]) for look, shown in groupby(seen, lambda each: each[:2])]
    for (number, _), shown in runs:
        begins = next(key for head, key in shown if not head)
        assert begins and (shown[0][0] or number != AVC), "a new picture begins with its header and a keyframe"
    return [f"codec {number}" for (number, _), _ in runs]


@asynctest(120)
async def test_players_stay_when_ffmpeg_returns_elsewhere_with_another_picture_and_other_codecs(cluster: Cluster):
    a, b, c = cluster.start("a", "b", "c")
    urls = [f"{c.http}/{KEY}.flv?wait=9&redirect=0", f"{b.rtmp}/{KEY}?wait=9", f"{a.ws}/{KEY}.flv?wait=9&redirect=0"]
    async with playing(*urls) as players:
        await publish(TEST_SOURCE, a, players)
        await publish(LARGE, b, players)
        shown = asyncio.create_task(run("ffprobe", "-v", "error", "-show_entries", "stream=width", urls[0]))
        await publish(FLASH, c, players)
        await publish(TEST_SOURCE, c, players)
        assert "[STREAM]" in (await shown)[1]
        assert not any(player.ended for player in players)
        for player in players:
            assert assert_continuous(player) == [f"codec {number}" for number in (7, 7, 2, 7)]
        await eventually(lambda: all(player.ended for player in players), "a proper end when nobody returns", 45)
