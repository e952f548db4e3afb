"""A mesh that is cut in two while a stream is published on both sides, and heals."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node
from tests.e2e.flv import VIDEO, Tag
from tests.e2e.network import Network, available
from tests.e2e.player import Player, playing
from tests.e2e.publisher import Publisher, publishing
from tests.e2e.tasks import asynctest
from tests.e2e.test_death import eventually

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")

KEY = "live/x"


def leader(node: Node) -> str | None:
    row = node.stream(KEY)
    return row and row["leader"]


def assert_grows(player: Player) -> None:
    """Time never goes back, and no picture or sound comes twice."""
    for kind in {tag.kind for tag in player.frames}:
        times = [tag.timestamp for tag in player.frames if tag.kind == kind]
        assert all(before < after for before, after in pairwise(times)), (player.url, times)
    assert len({tag.payload for tag in player.frames}) == len(player.frames), player.url


def sees(player: Player, publisher: Publisher) -> bool:
    """Whether what it shows is of this publisher."""
    return player.frames[-1].payload in {tag.payload for tag in publisher.sent}


def place(player: Player, sent: list[Tag]) -> int:
    """Where the player first saw something of this."""
    payloads = {tag.payload for tag in sent if not tag.config}
    return next(n for n, tag in enumerate(player.frames) if tag.payload in payloads)


@asynctest
async def test_each_side_plays_its_own_and_after_healing_all_players_see_the_older(tmp_path: Path):
    with Network(*"abcd") as network, Cluster(tmp_path, network, stream__standby="false") as cluster:
        a, b, c, d = cluster.start(*"abcd")
        urls = [f"{node.http}/{KEY}.flv?wait=9&redirect=0" for node in (a, b, c, d)]
        async with publishing(f"{a.rtmp}/{KEY}", synthetic.stream(90)) as older, playing(*urls) as players:
            for player in players:
                await player.has(50)
            network.cut(["a", "c"], ["b", "d"])
            await eventually(lambda: leader(b) is leader(d) is None, "a is dead to b and d")
            async with publishing(f"{b.rtmp}/{KEY}", synthetic.stream(90, seed=2)) as younger:
                await players[3].until(lambda player: sees(player, younger), "nothing of its own side")
                assert (leader(a), leader(c), leader(b), leader(d)) == ("a", "a", "b", "b")
                network.heal()
                for node in (a, b, c, d):
                    await eventually(lambda node=node: leader(node) == "a", f"{node.name} knows that a leads")
                await asyncio.wait_for(younger.finished.wait(), 10)
            for player in players:
                await player.until(lambda player: sees(player, older), "nothing of the older")
                await player.receives(older.sent[-1])
                assert_grows(player)
            for player in players[1::2]:
                mine = {tag.payload for tag in younger.sent}
                after = [tag for tag in player.frames[place(player, younger.sent) :] if tag.payload not in mine]
                assert next(tag for tag in after if tag.kind == VIDEO).keyframe, "they cut over at a keyframe"
            assert not any(player.ended for player in players)
