import asyncio
from pathlib import Path
from unittest import mock

import pytest

from mesh.errors import NoRoom, StreamNotFound
from mesh.gossip.member import Replica
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Mesh, Player, Poster, RTMPClient, get, gop, meshed, payloads, written

PATTERNS = '{"live/*" = {replicas = 2}}'


def holders(mesh: Mesh) -> set[str]:
    """Who holds the stream, besides its leader."""
    return {node.config.node.name for node in mesh if (s := node.streams.get("live/x")) and not s.publication}


@mock.patch("mesh.net.keeping.ASK_S", 0.1)
@asynctest
async def test_a_stream_has_replicas_without_players_and_a_lost_one_is_replaced(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__patterns=PATTERNS, node__zone="one") as mesh:
        d = await mesh.start("d", node__zone="two")
        await mesh.settled()
        publisher = await Poster.begin(mesh[0], "/live/x", *HEADERS, *gop(0))
        await until(lambda: len(holders(mesh)) == 2)
        assert "d" in holders(mesh), "another zone goes first"
        await until(lambda: d.streams.get("live/x").log.entry)
        await mesh.stop(d)
        await until(lambda: holders(mesh) == {"b", "c"})
        publisher.feed(*gop(5))
        player = await Player.begin(mesh[1], "/live/x.flv?redirect=0")
        await player.sees(*gop(5))


@mock.patch("mesh.net.keeping.KEEP_S", 0.3)
@mock.patch("mesh.net.keeping.ASK_S", 0.1)
@asynctest
async def test_when_nobody_wants_a_replica_any_more_it_goes(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__patterns=PATTERNS, stream__linger_s="0.2") as mesh:
        publisher = await Poster.begin(mesh[0], "/live/x", *HEADERS, *gop(0))
        await until(lambda: holders(mesh) == {"b", "c"})
        mesh[0].keeping._patterns = {}
        await until(lambda: not holders(mesh))
        publisher.close()


@mock.patch("mesh.net.keeping.AGAIN_S", 1.0)
@mock.patch("mesh.net.keeping.BARREN_S", 0.3)
@mock.patch("mesh.net.keeping.ASK_S", 0.1)
@asynctest
async def test_who_holds_nothing_although_it_was_asked_is_passed_over_and_asked_again_later(tmp_path: Path) -> None:
    patterns = '{"live/*" = {replicas = 1}}'
    async with meshed(tmp_path, "a", "b", stream__patterns=patterns, node__zone="one") as mesh:
        deaf = await mesh.start("deaf", node__zone="two")
        await mesh.settled()
        asked: list[str] = []
        deaf.gossip.replicate(Replica(deaf.gossip.id, "live/x", 1, "", ()))  # of long ago, and gets no more
        with mock.patch.object(deaf.streams, "keep", lambda key, seconds: asked.append(key)):
            publisher = await Poster.begin(mesh[0], "/live/x", *HEADERS, *gop(0))
            await until(lambda: holders(mesh) == {"b"})
            count = len(asked)
            assert count, "another zone goes first"
            await until(lambda: len(asked) > count)
            assert holders(mesh) == {"b"}
        publisher.close()


@mock.patch("mesh.net.keeping.BARREN_S", 0.2)
@mock.patch("mesh.net.keeping.ASK_S", 0.1)
@asynctest
async def test_nobody_is_passed_over_for_holding_nothing_before_there_is_anything(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__patterns=PATTERNS) as (a, b):
        asked: list[str] = []
        with mock.patch.object(b.streams, "keep", lambda key, seconds: asked.append(key)):
            await RTMPClient.publish(a, "live/x", *HEADERS)
            await until(lambda: asked)
            await asyncio.sleep(0.6)
            asked.clear()
            await until(lambda: asked)


@asynctest
async def test_a_stream_is_preloaded_by_node_or_zone_and_let_go_in_time(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__linger_s="0.2") as mesh:
        await mesh.start("c", node__zone="fra")
        await mesh.settled()
        a, b, c = mesh
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        assert b.keeping.preload("live/x", "", "fra", 1.5) == "c"
        assert c.keeping.preload("live/x", "b", "", 60) == "b"
        await until(lambda: holders(mesh) == {"b", "c"})
        player = await Player.begin(c, "/live/x.flv?redirect=0")
        assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])
        player.close()
        await until(lambda: holders(mesh) == {"b"})
        with pytest.raises(NoRoom):
            a.keeping.preload("live/x", "", "ams", 1)
        for stream, node in [("live/x", "d"), ("live/y", "b")]:
            with pytest.raises(StreamNotFound):
                a.keeping.preload(stream, node, "", 1)
        publisher.close()


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("node=b&seconds=5", (), 200),
        ("zone=", (), 200),
        ("node=c", (), 404),
        ("node=b&seconds=0", (), 400),
        ("node=b&seconds=1.5", (), 400),
        ("", (), 400),
        ("node=b", ("X-Forwarded-For: 10.0.0.1",), 403),
        ("node=b", ("Origin: http://elsewhere.example",), 403),
    ],
)
@asynctest
async def test_the_api_has_a_stream_kept_for_those_on_this_machine(
    tmp_path: Path, query: str, headers: tuple[str, ...], status: int
) -> None:
    async with meshed(tmp_path, "a", "b") as mesh:
        await Poster.begin(mesh[0], "/live/x", *HEADERS, *gop(0))
        await written(mesh[0], "live/x", 8)
        target = f"/api/v1/streams/live/x/preload?{query}"
        assert (await get(mesh[0], target, *headers, method="POST"))[0] == status
        if query.startswith("node=b&seconds=5"):
            await until(lambda: holders(mesh) == {"b"})
