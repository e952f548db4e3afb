"""What a node's own knowledge adds to place(); the rest of it is tried through `net.http` and `net.api`."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mesh.balance.policy import Action, Redirect, Request, Serve
from mesh.errors import NoRoom, StreamNotFound
from mesh.gossip.member import Lead, LeadState
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, HOST, Client, Mesh, Poster, gop, http, meshed

ZONES = {"balance.zones": '{"10.0.0.0/8" = "west", "10.1.0.0/16" = "east"}'}


@asynctest
async def test_the_zone_of_a_client_is_that_of_its_address(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", **ZONES) as (a,):
        balance = a.streams.balance
        assert [balance.zone_of(ip) for ip in ("10.0.0.1", "10.1.0.1", "::ffff:10.1.0.1", HOST, "")] == [
            *("west", "east", "east", "", "")
        ]


@asynctest
async def test_only_who_is_really_sent_on_or_away_is_counted(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        balance, wish = b.streams.balance, Request("live/x")
        assert isinstance(balance.place(wish), Redirect) and isinstance(a.streams.balance.place(wish), Serve)
        assert not balance.redirects
        assert isinstance(balance.send(wish), Redirect)
        assert balance.redirects == {("flv", "does not have the stream"): 1}
        with pytest.raises(StreamNotFound), balance.refusing("flv"):
            balance.send(Request("live/none"))
        b.gossip.drain(True)
        with pytest.raises(NoRoom), balance.refusing("rtmp"):
            balance.send(Request("live/y", Action.PUBLISH, "rtmp"))
        assert balance.refusals == {("flv", "not found"): 1, ("rtmp", "no room"): 1}


@asynctest
async def test_a_mesh_may_be_told_to_redirect_nobody(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", balance__redirect="false") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        assert b.streams.balance.send(Request("live/x")) is None


async def followed(mesh: Mesh, node: Node, request: str, *headers: str) -> tuple[str, int]:
    """The names of the nodes that a client comes to, and what the last of them answers; who is served stays."""
    method, target = request.split(" ")
    names = node.config.node.name
    while True:
        client = await Client.ask(http(node), f"{method} {target}", *headers)
        head = await client.head()
        status, told = int(head.split(" ")[1]), urlsplit(head.partition("Location: ")[2].partition("\r\n")[0])
        if status not in (302, 307):
            return names, status
        client.close()
        (node,) = [other for other in mesh if http(other) == told.port]
        names, target = names + node.config.node.name, f"{told.path}?{told.query}"


async def ring(mesh: Mesh) -> None:
    """Start a, b and c, each of which believes that all clients are in the zone of the next."""
    for name, after in ("a", "b"), ("b", "c"), ("c", "a"):
        await mesh.start(name, node__zone=name, balance__zones=f'{{"{HOST}/32" = "{after}"}}')
    await mesh.settled()


@asynctest
async def test_where_zones_disagree_a_player_is_sent_on_once(tmp_path: Path) -> None:
    async with meshed(tmp_path) as mesh:
        await ring(mesh)
        await Poster.begin(mesh[0], "/live/x?redirect=0", *HEADERS, *gop(0))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        ways = [await followed(mesh, node, "GET /live/x.flv") for node in mesh]
        assert ways == [("ab", 200), ("bc", 200), ("ca", 200)]


@asynctest
async def test_where_zones_disagree_a_publisher_is_sent_on_once(tmp_path: Path) -> None:
    async with meshed(tmp_path) as mesh:
        await ring(mesh)
        asks = "Transfer-Encoding: chunked", "Expect: 100-continue"
        for node, names in zip(mesh, ("ab", "bc", "ca"), strict=True):
            assert await followed(mesh, node, f"POST /live/{names}", *asks) == (names, 100)


@asynctest
async def test_where_each_believes_that_the_other_leads_a_player_is_sent_on_once_and_refused(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as mesh:
        for node, other in zip(mesh, reversed(mesh), strict=True):
            node.gossip.tables.set_entry(Lead(other.gossip.id, "live/x", 1, LeadState.LIVE))
        assert [await followed(mesh, node, "GET /live/x.flv") for node in mesh] == [("ab", 404), ("ba", 404)]


async def arrive(mesh: Mesh, node: Node, count: int) -> None:
    """Let players come to a node, one after the other, and follow where they are sent; fails if one is refused."""
    for _ in range(count):
        assert (await followed(mesh, node, "GET /live/x.flv"))[1] == 200, players(mesh)


async def insist(mesh: Mesh, node: Node) -> None:
    """Let one come, and come again a second later if he is refused for now."""
    names, status = await followed(mesh, node, "GET /live/x.flv")
    if status != 200:
        assert status == 503, names
        await asyncio.sleep(1)
        await arrive(mesh, node, 1)


def most(count: int) -> dict[str, str]:
    """Settings for nodes that take so many players, on however busy a machine."""
    return {"balance.limits": f"{{players = {count}, lag_ms = 10_000}}", "balance.ramp_s": "0"}


def players(mesh: Mesh) -> dict[str, int]:
    """How many each node serves."""
    return {node.config.node.name: len(node.fanout) for node in mesh}


@asynctest
async def test_two_hundred_players_in_a_second_make_no_herd(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", **most(80)) as mesh:
        await Poster.begin(mesh[0], "/live/x?redirect=0", *HEADERS, *gop(0))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        await arrive(mesh, mesh[0], 200)
        assert sum(players(mesh).values()) == 200
        assert all(40 < count <= 80 for count in players(mesh).values()), players(mesh)


@asynctest
async def test_where_every_node_decides_at_once_none_is_over_capacity_and_all_players_are_served_a_second_later(
    tmp_path: Path,
) -> None:
    async with meshed(tmp_path, "a", "b", "c", **most(60)) as mesh:
        await Poster.begin(mesh[0], "/live/x?redirect=0", *HEADERS, *gop(0))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        await asyncio.gather(*[insist(mesh, mesh[n % 3]) for n in range(120)])
        assert sum(players(mesh).values()) == 120
        assert max(players(mesh).values()) <= 60, players(mesh)


@asynctest
async def test_a_session_goes_to_the_same_node_whoever_is_asked_while_that_takes_anyone(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", balance__policy="players", balance__ramp_s="0") as mesh:
        await Poster.begin(mesh[0], "/live/x", *HEADERS, *gop(0))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))

        def chosen(sid: str) -> set[str]:
            placed = [(node, node.streams.balance.place(Request("live/x", sid=sid))) for node in mesh]
            return {it.node if isinstance(it, Redirect) else node.gossip.id for node, it in placed}

        sids = [f"s{n}" for n in range(30)]
        before = {sid: chosen(sid) for sid in sids}
        assert all(len(nodes) == 1 for nodes in before.values())
        assert set.union(*before.values()) == {node.gossip.id for node in mesh}
        b = mesh[1].gossip
        b.drain(True)
        await until(lambda: all(node.gossip.tables.members[b.id].status == "draining" for node in mesh))
        for sid in sids:
            assert chosen(sid) == before[sid] or (before[sid] == {b.id} and b.id not in chosen(sid))


@asynctest
async def test_a_new_node_is_filled_by_a_ramp(tmp_path: Path) -> None:
    ramp_s = 1.0
    limits = most(20) | {"balance.ramp_s": f"{ramp_s}"}
    async with meshed(tmp_path, "a", "b", **limits) as mesh:
        await asyncio.sleep(ramp_s)
        await Poster.begin(mesh[0], "/live/x?redirect=0", *HEADERS, *gop(0))
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        await arrive(mesh, mesh[0], 36)
        began = asyncio.get_running_loop().time()
        await mesh.start("c")
        await mesh.settled()
        await arrive(mesh, mesh[0], 4)
        grown = (asyncio.get_running_loop().time() - began) / ramp_s
        assert players(mesh)["c"] <= 2 + 20 * grown, "no rush"
        await asyncio.sleep(ramp_s)
        await arrive(mesh, mesh[1], 8)
        assert players(mesh)["c"] >= 8, "it has the most room now"
        assert mesh[2].streams.get("live/x"), "and has become a replica"
