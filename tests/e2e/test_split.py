"""A mesh that is cut in two while a stream is published on both sides, and heals."""

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, eventually
from tests.e2e.flv import VIDEO, Tag
from tests.e2e.network import Network, available
from tests.e2e.player import Player
from tests.e2e.publisher import Publisher, publishing
from tests.e2e.shape import KEY, SETTINGS, SHAPES, fed, playing_in
from tests.e2e.tasks import asynctest

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")


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


SIDES = {"star": (["a", "c"], ["b", "d"]), "chain": (["a"], ["b", "c", "d"])}
"""Who can reach whom; in the chain, c and d go on to follow b."""


@pytest.mark.parametrize("shape", ["star", pytest.param("chain", marks=pytest.mark.soak)])
@asynctest
async def test_each_side_plays_its_own_and_after_healing_all_players_see_the_older(tmp_path: Path, shape):
    here, there = SIDES[shape]
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, stream__standby="false", **SETTINGS[shape]))
        a, b, _, d = nodes = cluster.start(*"abcd")
        older = await stack.enter_async_context(publishing(f"{a.rtmp}/{KEY}", synthetic.stream(90)))
        players = await stack.enter_async_context(playing_in(SHAPES[shape], network, cluster))
        network.cut(here, there)
        await eventually(lambda: leader(b) is leader(d) is None, "a is dead to b and d")
        async with publishing(f"{b.rtmp}/{KEY}", synthetic.stream(90, seed=2)) as younger:
            for name in there:
                await players[name].until(lambda player: sees(player, younger), "nothing of its own side")
            assert [leader(node) for node in nodes] == ["a" if node.name in here else "b" for node in nodes]
            if shape == "chain":
                assert (fed(b)["c"], fed(b)["d"]) == ("b", "c")
            network.heal()
            for node in nodes:
                await eventually(lambda node=node: leader(node) == "a", f"{node.name} knows that a leads")
            await asyncio.wait_for(younger.finished.wait(), 10)
        for player in players.values():
            await player.until(lambda player: sees(player, older), "nothing of the older")
            await player.receives(older.sent[-1])
            assert_grows(player)
        for name in there:
            player, mine = players[name], {tag.payload for tag in younger.sent}
            after = [tag for tag in player.frames[place(player, younger.sent) :] if tag.payload not in mine]
            assert next(tag for tag in after if tag.kind == VIDEO).keyframe, "they cut over at a keyframe"
        assert not any(player.ended for player in players.values())
