"""Three zones on one host: everyone is placed as `explain` says, nobody over capacity, and a full mesh says so."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mesh.net import testcard
from tests.e2e import http, synthetic
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.compare import assert_faithful
from tests.e2e.crowd import play
from tests.e2e.flv import Tag
from tests.e2e.player import Player, playing
from tests.e2e.programs import TEST_SOURCE, run
from tests.e2e.publisher import publishing
from tests.e2e.rtmp import Refused, Stream
from tests.e2e.tasks import asynctest

HOMES = {"east": "127.0.1.1", "west": "127.0.2.1", "south": "127.0.3.1"}
"""Where the clients of each zone connect from."""
KEY = "live/x"
MOST = 4
"""Players that a node takes."""
LATE = {"lag_ms": 10_000}
"""How late an event loop may be: on a busy machine that tells nothing."""


def table(entries: Mapping[str, str | int]) -> str:
    """A table as TOML writes it in a line."""
    pairs = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entries.items()]
    return f"{{{', '.join(pairs)}}}"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """A node in each of these zones."""
    zones = {f"{ip}/32": zone for zone, ip in HOMES.items()}
    settings = {"balance__zones": table(zones), "balance__limits": table(LATE | {"players": MOST})}
    with Cluster(tmp_path_factory.mktemp("zones"), balance__ramp_s="0", **settings) as cluster:
        for zone in HOMES:
            cluster.create(zone, node__zone=zone)
        yield cluster.start(*HOMES)


@pytest.fixture
def zones(started: list[Node]) -> list[Node]:
    """The same, without players from the test before."""
    wait_until(lambda: all(crowd(node, started) == 0 for node in started), "nobody is left")
    return started


async def arrive(stay: AsyncExitStack, asked: Node, zone: str, nodes: list[Node]) -> Player:
    """One more player who stays, and is placed as the node that it asks has explained."""
    route = asked.json(f"/api/v1/route?stream={KEY}&ip={HOMES[zone]}&explain=1")
    able = [it["node"] for it in route["candidates"] if it["lost"] in ("", "loses the draw among equals")]
    (player,) = await stay.enter_async_context(playing(f"{asked.http}/{KEY}.flv", source=HOMES[zone]))
    await player.has(1)
    assert player.status == 200 and len(player.hops) <= 2
    assert serving(player, nodes) in able, route
    return player


def serving(player: Player, nodes: list[Node]) -> str:
    """The name of the node that serves it."""
    return {node.http_port: node.name for node in nodes}[urlsplit(player.hops[-1]).port or 0]


def load(node: Node, of: Node, what: str) -> float:
    """What one node knows of the load of another."""
    (row,) = [row for row in node.json("/api/v1/nodes")["nodes"] if row["name"] == of.name]
    return row["load"][what]


def crowd(node: Node, nodes: list[Node]) -> float:
    """How many players there are, as this node knows; fails if another has more than it takes."""
    players = [load(node, of, "players") for of in nodes]
    assert max(players) <= MOST
    return sum(players)


async def refuses(node: Node) -> bool:
    """Whether it takes nobody, says so to everyone, and explains it."""
    reply = await http.ask("GET", f"{node.http}/{KEY}.flv")
    reply.close()
    for key, publish in (KEY, False), ("live/other", True):
        with pytest.raises(Refused, match=r"NetConnection\.Connect\.Rejected"):
            await Stream.open(f"{node.rtmp}/{key}", publish)
    route = node.json(f"/api/v1/route?stream={KEY}&explain=1")
    why = {candidate["lost"] for candidate in route["candidates"]}
    return (reply.status, reply.headers["retry-after"], route["action"], route["status"], why) == (
        *(503, "1", "refuse", 503),
        {f"is full: {MOST} players"},
    )


async def eventually(holds: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what)


@asynctest
async def test_everyone_is_placed_as_explain_says_until_the_mesh_is_full_and_says_so(zones: list[Node]):
    async with publishing(f"{zones[0].rtmp}/{KEY}", synthetic.stream(60)) as publisher, AsyncExitStack() as stay:
        await eventually(lambda: all(node.stream(KEY) for node in zones), "all know the stream")
        players = [await arrive(stay, asked, zone, zones) for zone in HOMES for asked in zones]
        assert [serving(player, zones) for player in players] == [zone for zone in HOMES for _ in zones]
        for asked in zones:
            await eventually(lambda: all(crowd(node, zones) == len(players) for node in zones), "all are reported")
            players.append(await arrive(stay, asked, "east", zones))
        assert {serving(player, zones) for player in players[-2:]} == {"west", "south"}, "a full zone sends them on"
        await eventually(lambda: all(crowd(node, zones) == MOST * len(zones) for node in zones), "all are full")
        assert [await refuses(node) for node in zones] == [True] * 3
        await assert_faithful(publisher, players)


@asynctest
async def test_ffmpeg_and_the_load_tool_play_where_explain_says_also_when_their_zone_is_full(zones: list[Node]):
    east, west, south = zones
    card = (Tag(*tag) for tag in testcard.tags(320, 180, kbps=300))
    async with publishing(f"{south.rtmp}/live/card", card):
        url = f"{east.http}/live/card.flv?zone=west&wait=5"

        def candidates(asked: Node = east) -> dict[str, Any]:
            route = asked.json("/api/v1/route?stream=live/card&zone=west&explain=1")
            return {candidate["node"]: candidate for candidate in route["candidates"]}

        def explained() -> dict[str, str]:
            """Why each node is not chosen; nothing for the one that is."""
            return {node: candidate["lost"] for node, candidate in candidates().items()}

        async def ffmpeg_plays() -> list[str]:
            """Who serves it."""
            before = {node.name: node.log.count("plays live/card") for node in zones}
            assert await run("ffmpeg", "-v", "error", "-i", url, "-t", "1", "-c", "copy", "-f", "null", "-") == (0, "")
            return [node.name for node in zones if node.log.count("plays live/card") > before[node.name]]

        await eventually(lambda: all(node.stream("live/card") for node in zones), "all know the stream")
        assert explained()["west"] == ""
        assert await ffmpeg_plays() == ["west"]
        for node in east, west:
            await eventually(
                lambda node=node: not candidates(node)["west"]["terms"]["players"], "it is known to have left"
            )
        filling = asyncio.create_task(play(url, "-n", f"{MOST}", "--seconds", "6"))
        await eventually(lambda: load(east, west, "players") == MOST, "the load tool has filled its zone")
        assert explained() == {"west": f"is full: {MOST} players", "south": "", "east": "does not have the stream"}
        assert await ffmpeg_plays() == ["south"]
        assert (await filling)["redirects"] == MOST
        assert west.log.count("plays live/card") == 1 + MOST


@asynctest
async def test_ffmpeg_publishes_in_its_zone_if_it_asks_first(zones: list[Node]):
    for key, asks, taken in ("live/asks", ("-send_expect_100", "1"), "west"), ("live/sends", (), "east"):
        url = f"{zones[0].http}/{key}.flv?zone=west"
        route = f"/api/v1/route?stream={key}&action=publish&zone=west"
        await asyncio.to_thread(
            wait_until, lambda route=route: zones[0].json(route)["action"] == "redirect", "players before are forgotten"
        )
        code, output = await run(*TEST_SOURCE, "-t", "1", "-f", "flv", *asks, url)
        assert code == 0, output
        assert [node.name for node in zones if f"publishes {key}" in node.log] == [taken]


@asynctest
async def test_a_leader_with_little_room_feeds_one_replica_that_feeds_everyone(tmp_path: Path):
    capacity = 3_000_000
    with Cluster(tmp_path, balance__ramp_s="0", balance__limits=table(LATE)) as cluster:
        for name, most in ("a", f"{capacity}b/s"), ("b", "1Gb/s"), ("c", "1Gb/s"):
            cluster.create(name, node__capacity=most)
        a, b, c = cluster.start(*"abc")
        async with publishing(f"{a.rtmp}/{KEY}", synthetic.stream(60)) as publisher, AsyncExitStack() as stay:
            await eventually(lambda: c.stream(KEY) and c.stream(KEY)["kbps"], "all know the bit rate")
            players: list[Player] = []
            for url in [f"{a.http}/{KEY}.flv"] * 16 + [f"{node.rtmp}/{KEY}" for node in (b, c)]:
                if url.startswith("rtmp"):
                    await eventually(lambda: load(c, a, "tx_bps") > 0.7 * capacity, "a has little room left")
                players += await stay.enter_async_context(playing(url))
                await players[-1].has(1)
            served = [serving(player, [a, b, c]) for player in players[:16]]
            assert len(set(served)) == 2 and 1 <= served.count("a") <= 9, served
            await assert_faithful(publisher, players)
            fed = [it["node"] for it in a.stream(KEY)["replicas"] if it["supplier"] == "a"]
            assert len(fed) == 1, a.stream(KEY)["replicas"]
            await eventually(
                lambda: load(b, a, "tx_bps") <= capacity, "only those who join make it send more for a moment"
            )


@pytest.mark.soak
@asynctest
async def test_two_hundred_players_in_a_second_spread_over_three_nodes(tmp_path: Path):
    with Cluster(tmp_path, balance__ramp_s="0", balance__limits=table(LATE | {"players": 80})) as cluster:
        nodes = cluster.start(*"abc")

        def players() -> list[float]:
            return [load(nodes[0], of, "players") for of in nodes]

        async with publishing(f"{nodes[0].rtmp}/{KEY}", synthetic.stream(60)):
            for asked in nodes[:1], nodes:
                await eventually(lambda: all(n.stream(KEY) for n in nodes) and not any(players()), "nobody is there")
                options = ("-n", f"{198 // len(asked)}", "--ramp", "1", "--seconds", "3")
                playing = [asyncio.create_task(play(f"{node.http}/{KEY}.flv", *options)) for node in asked]
                await eventually(lambda: sum(players()) == 198, "all are there")
                assert all(40 < count <= 80 for count in players())
                await asyncio.gather(*playing)
