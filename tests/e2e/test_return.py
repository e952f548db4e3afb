"""ffmpeg comes back to its stream on other nodes, with another picture and then other codecs: the players stay."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, eventually
from tests.e2e.flv import AUDIO, VIDEO, Tag
from tests.e2e.network import Network, available
from tests.e2e.player import Player
from tests.e2e.programs import TEST_SOURCE, program, run
from tests.e2e.shape import KEY, SETTINGS, SHAPES, playing_in, url
from tests.e2e.tasks import asynctest

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")]

LARGE = tuple(part.replace("320x240", "640x360") for part in TEST_SOURCE)
FLASH = (*TEST_SOURCE[: TEST_SOURCE.index("-c:v")], "-c:v", "flv1", "-g", "25", "-c:a", "libmp3lame", "-ar", "44100")
"""Codecs that have no sequence headers."""
AVC, AAC = 7, 10
SLACK_MS = 300


def codec(tag: Tag) -> int:
    return tag.payload[0] & 15 if tag.kind == VIDEO else tag.payload[0] >> 4


def is_header(tag: Tag) -> bool:
    return codec(tag) == (AVC if tag.kind == VIDEO else AAC) and tag.payload[1] == 0


async def seen(players: Iterable[Player]) -> None:
    """Wait until each player has had some seconds more."""
    wanted = [(player, len(player.arrivals) + 200) for player in players]
    for player, count in wanted:
        await player.until(lambda player, count=count: len(player.arrivals) > count, "nothing new")


@asynccontextmanager
async def vanishing(source: tuple[str, ...], node: Node) -> AsyncIterator[None]:
    """ffmpeg, which publishes for as long as the block takes, and then is gone without a goodbye."""
    async with program(*source, "-f", "flv", f"{node.rtmp}/{KEY}") as encoder:
        yield
        encoder.kill()


def player_of(node: Node) -> Player:
    urls = {"a": f"{node.ws}/{KEY}.flv?wait=9&redirect=0", "b": f"{node.rtmp}/{KEY}?wait=9"}
    return Player(urls.get(node.name, url(node)))


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


@pytest.mark.parametrize("shape", SHAPES)
@asynctest(120)
async def test_players_stay_when_ffmpeg_returns_elsewhere_with_another_picture_and_other_codecs(tmp_path: Path, shape):
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, **SETTINGS[shape]))
        a, b, c, _ = cluster.start(*"abcd")
        async with vanishing(TEST_SOURCE, a):
            joining = playing_in(SHAPES[shape], network, cluster, player_of)
            players = (await stack.enter_async_context(joining)).values()
            await seen(players)
        async with vanishing(LARGE, b):
            await seen(players)
        shown = asyncio.create_task(run("ffprobe", "-v", "error", "-show_entries", "stream=width", url(c)))
        async with vanishing(FLASH, c):
            await seen(players)
        async with vanishing(TEST_SOURCE, c):
            await seen(players)
        assert "[STREAM]" in (await shown)[1]
        assert not any(player.ended for player in players)
        for player in players:
            assert assert_continuous(player) == [f"codec {number}" for number in (7, 7, 2, 7)]
        await eventually(lambda: all(player.ended for player in players), "a proper end when nobody returns", 45)
