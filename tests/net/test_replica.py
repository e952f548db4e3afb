import asyncio
from itertools import cycle
from pathlib import Path
from unittest import mock

import pytest

from mesh.gossip.member import Replica
from mesh.media.flv import Tag
from mesh.net.replica import Replication
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import FRAME_MS, HEADERS, Mesh, Player, Poster, gop, meshed, payloads, sound, written
from tests.stream.frames import roomy


def replication(node: Node, key: str = "live/x") -> Replication:
    """A node's copy of a stream."""
    return node.streams.get(key)._replication


async def follow(node: Node, supplier: Node, key: str = "live/x") -> Player:
    """A player of a node, and that node's stream fetched from a certain other."""
    await until(lambda: node.gossip.tables.leader(key))
    player = await Player.begin(node, f"/{key}.flv?redirect=0")
    fetch = replication(node, key)._fetch
    fetch.switch(supplier.gossip.id)
    await until(lambda: supplier.relay.feeds(key) and fetch.path[-1:] == (supplier.gossip.id,))
    return player


def source(node: Node, key: str = "live/x") -> str:
    """The name of the node that another fetches from."""
    return node.gossip.tables.display_name(replication(node, key)._fetch.supplier)


class Show:
    """A publisher who goes on in real time, with sound at every other frame's time."""

    def __init__(self, publisher: Poster) -> None:
        self._publisher = publisher
        self.sent: list[Tag] = []

    async def run(self, gops: int) -> None:
        for first in range(0, gops * 5, 5):
            for n, tag in enumerate(gop(first), first):
                tags = [tag, sound(n)] if n % 2 else [tag]
                self._publisher.feed(*tags)
                self.sent += tags
                await asyncio.sleep(FRAME_MS / 1000)


@asynctest
async def test_everyone_is_told_where_a_replica_comes_from(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        await until(lambda: c.gossip.tables.leader("live/x"))
        await Player.begin(b, "/live/x.flv?redirect=0&wait=1")
        replica = Replica(b.gossip.id, "live/x", 1, a.gossip.id, (a.gossip.id,))
        await until(lambda: c.gossip.tables.replicas("live/x") == [replica])


async def lose(mesh: Mesh, node: Node, how: str) -> None:
    """Take a node away from the others."""
    if how == "mute":
        # It is there, but nothing comes of it.
        node.relay._pull.close()
        node.relay._supplier.receive = lambda *_: None
        node.relay._supplier.next_delivery = lambda now: None
    else:
        await getattr(mesh, how)(node)


async def rest(player: Player, show: Show) -> None:
    """What a player gets until the show is over: everything, from where he joined."""
    got: list[Tag] = []
    while not got or got[-1].payload != show.sent[-1].payload:
        got += await player.tags(1)
    sent = payloads(show.sent)
    media = [payload for payload in payloads(got) if payload in sent]
    assert media == sent[sent.index(media[0]) :]


@mock.patch("mesh.net.replica.BETTER_S", (60, 60))
@pytest.mark.parametrize("how", ["kill", "stop", "mute"])
@asynctest
async def test_when_a_node_in_the_middle_is_lost_those_below_miss_nothing(tmp_path: Path, how: str) -> None:
    async with meshed(tmp_path, "a", "b", "c", "d") as mesh:
        a, b, c, d = mesh
        publisher = await Poster.begin(a, "/live/x", *HEADERS)
        show = Show(publisher)
        showing = asyncio.create_task(show.run(14))
        players = [await follow(node, supplier) for node, supplier in [(b, a), (c, b), (d, c)]][1:]
        await players[0].tags(10)
        await lose(mesh, b, how)
        await showing
        for player in players:
            await rest(player, show)
        assert source(c) == "a" and source(d) in ("a", "c")


@pytest.mark.parametrize("begun", [False, True])
@asynctest
async def test_who_has_nothing_yet_and_no_way_to_the_source_tries_those_whom_it_feeds(begun: bool) -> None:
    log, relay = roomy("live/x"), mock.Mock()
    if begun:
        log.begin(1, "a")
    tables = mock.Mock(replicas=lambda key: [Replica("c", key, 1, "b", ("a", "b"))])
    relay.suppliers.return_value = ("c",)
    copy = Replication(log, mock.Mock(id="d", tables=tables), relay, asyncio.Event(), mock.Mock())
    assert copy.follow(besides="b") is not begun
    assert [call.args[1] for call in relay.fetch.call_args_list] == ([] if begun else ["c"])


@asynctest
async def test_the_end_of_a_dead_leaders_log_reaches_a_replica_that_lags(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        a, b, c = mesh
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        players = [await follow(node, a) for node in (b, c)]
        for player in players:
            await player.tags(8)
        (link,) = [link for link in a.relay._supplier if link.peer == b.gossip.id]
        link.credit = 0
        publisher.feed(*gop(5))
        assert payloads(await players[1].tags(5)) == payloads(gop(5))
        await mesh.kill(a)
        assert payloads(await players[0].tags(5)) == payloads(gop(5))


@mock.patch("mesh.net.replica.BETTER_S", (0.3, 0.3))
@asynctest
async def test_a_better_supplier_is_adopted_without_a_frame_lost_and_the_one_left_is_not_gone_back_to(
    tmp_path: Path,
) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        show = Show(await Poster.begin(a, "/live/x", *HEADERS))
        showing = asyncio.create_task(show.run(10))
        _, player = [await follow(node, supplier) for node, supplier in [(b, a), (c, b)]]
        replication(c)._shunned.clear()
        with mock.patch.object(c.relay, "suppliers", return_value=(a.gossip.id, b.gossip.id)):
            await until(lambda: source(c) == "a")
            await until(lambda: list(replication(c)._shunned) == [b.gossip.id])
        await showing
        await rest(player, show)


@mock.patch("mesh.net.replica.uniform", mock.Mock(side_effect=cycle([0.3, 1.1])))  # in one process all sweep at once
@asynctest
async def test_when_a_supplier_fills_up_one_of_those_it_feeds_moves_below_the_other_and_misses_nothing(
    tmp_path: Path,
) -> None:
    async with meshed(tmp_path, "a", "b", "c", balance__limits="{players = 8}") as (a, b, c):
        show = Show(await Poster.begin(a, "/live/x", *HEADERS))
        showing = asyncio.create_task(show.run(25))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in (b, c)))
        players = [await Player.begin(node, "/live/x.flv?redirect=0") for node in (b, c)]
        await until(lambda: [source(b), source(c)] == ["a", "a"])
        crowd = [await Player.begin(a, "/live/x.flv?via=x") for _ in range(7)]
        await until(lambda: sorted([source(b), source(c)]) in (["a", "b"], ["a", "c"]))
        await showing
        for player in [*players, *crowd]:
            await rest(player, show)


@asynctest
async def test_two_replicas_that_move_below_each_other_at_once_part_again_and_miss_nothing(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        show = Show(await Poster.begin(a, "/live/x", *HEADERS))
        showing = asyncio.create_task(show.run(10))
        players = [await follow(node, a) for node in (b, c)]
        for node, other in (b, c), (c, b):
            replication(node)._fetch.switch(other.gossip.id)
        await showing
        for player in players:
            await rest(player, show)
        assert "a" in (source(b), source(c))


@asynctest
async def test_a_node_whose_players_have_left_steps_aside_and_those_it_fed_miss_nothing(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__linger_s="0.2") as (a, b, c):
        show = Show(await Poster.begin(a, "/live/x", *HEADERS))
        showing = asyncio.create_task(show.run(10))
        gone, player = [await follow(node, supplier) for node, supplier in [(b, a), (c, b)]]
        await until(lambda: [it.supplier for it in b.gossip.tables.replicas("live/x") if it.node == c.gossip.id])
        assert source(c) == "b"
        gone.close()
        await until(lambda: not len(b.streams))
        assert source(c) == "a"
        await showing
        await rest(player, show)


@asynctest
async def test_a_node_that_no_media_reaches_does_not_go_on_saying_that_it_has_the_stream(tmp_path: Path) -> None:
    with mock.patch("mesh.net.replica.EMPTY_S", 0.5):
        async with meshed(tmp_path, "a", "b") as (a, b):
            publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
            await until(lambda: b.gossip.tables.leader("live/x"))
            b.relay._pull.close()  # as behind a firewall
            await Player.begin(b, "/live/x.flv?redirect=0")
            await until(lambda: a.gossip.tables.replicas("live/x"))
            publisher.feed(*gop(5))
            await until(lambda: not a.gossip.tables.replicas("live/x"))
