import asyncio
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mesh.gossip import membership
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, HOST, Mesh, Player, Poster, RTMPClient, get, gop, http, meshed, rtmp, written

NODE = {"id", "name", "zone", "status", "incarnation", "urls", "load", "links"}
LOAD = {
    "cpu",
    "mem",
    "rx_bps",
    "tx_bps",
    "capacity_bps",
    "players",
    "streams",
    "loop_lag_ms",
    "ill",
    "relays",
    "usable",
}


async def told(node: Node, target: str, *headers: str, status: int = 200) -> Any:
    """What the API answers."""
    answered, told, body = await get(node, target, *headers)
    assert (answered, told["content-type"]) == (status, "application/json; charset=utf-8"), (answered, body)
    assert told["access-control-allow-origin"] == "*"
    assert body.endswith(b"}\n")
    return json.loads(body)


@asynctest
async def test_a_node_is_ready_from_when_it_has_joined_until_it_drains(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path)
    with mock.patch.object(membership, "JOIN_S", 0.5):
        starting = asyncio.create_task(mesh.start("a"))
        await until(lambda: mesh._running and hasattr(next(iter(mesh._running)), "_http"))
        (node,) = mesh._running
        await asyncio.sleep(0.1)
        assert [(await get(node, path))[0] for path in ("/livez", "/readyz")] == [200, 503]
        assert (await get(node, "/readyz"))[2] == b"joining\n"
        await starting
    try:
        assert [(await get(node, path))[::2] for path in ("/livez", "/readyz")] == [(200, b"ok\n")] * 2
        node.gossip.drain(True)
        assert [(await get(node, path))[::2] for path in ("/livez", "/readyz")] == [
            (200, b"ok\n"),
            (503, b"draining\n"),
        ]
    finally:
        await mesh.stop(node)


@asynctest
async def test_any_node_tells_of_all(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__zone="here") as mesh:
        a, b = mesh
        await until(lambda: all(len(m.links) == 1 for node in mesh for m in node.gossip.tables.listed()))
        for node in mesh:
            rows = (await told(node, "/api/v1/nodes"))["nodes"]
            assert [row["name"] for row in rows] == ["a", "b"]
            for row, shown, other in zip(rows, (a, b), "ba", strict=True):
                assert set(row) == NODE and set(row["load"]) == LOAD and set(row["links"]) == {other}
                assert (row["id"], row["status"], row["zone"]) == (shown.gossip.id, "alive", "here")
                assert row["urls"] == {
                    "http": f"http://{HOST}:{http(shown)}",
                    "rtmp": f"rtmp://{HOST}:{rtmp(shown)}",
                }
        b.gossip.drain(True)
        await until(lambda: a.gossip.tables.members[b.gossip.id].status == "draining")
        assert [row["status"] for row in (await told(a, "/api/v1/nodes"))["nodes"]] == ["alive", "draining"]


@asynctest
async def test_addresses_are_those_of_the_host_that_was_asked_for(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await get(a, "/api/v1/nodes", "Host: ignored.example")
        assert client[0] in (200, 400), "two hosts are one too many"
        for host, name in (("stream.example:1", "stream.example"), ("[2001:db8::1]:1", "[2001:db8::1]"), ("[", HOST)):
            (row,) = json.loads(await ask_as(a, host))["nodes"]
            assert row["urls"]["http"] == f"http://{name}:{http(a)}"


async def ask_as(node: Node, host: str) -> str:
    reader, writer = await asyncio.open_connection(HOST, http(node))
    writer.write(f"GET /api/v1/nodes HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    body = (await reader.read()).decode().partition("\r\n\r\n")[2]
    writer.close()
    return body


@asynctest
async def test_any_node_tells_of_all_streams_and_their_players(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        a, b, c = mesh
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        await until(lambda: all(node.gossip.tables.leader("live/x") for node in mesh))
        players = [await RTMPClient.play(node, "live/x") for node in (a, a, b)]
        for player in players:
            await player.tags(8)
        await until(lambda: all(len(node.gossip.tables.replicas("live/x")) == 1 for node in mesh))
        await until(lambda: c.gossip.tables.leader("live/x").video)
        for node in mesh:
            (row,) = (await told(node, "/api/v1/streams"))["streams"]
            replica = {"node": "b", "supplier": "a", "depth": 1, "head": row["head"]}
            assert row == {
                "stream": "live/x",
                "leader": "a",
                "epoch": 1,
                "head": (1 << 32) + 8,
                "standby": [],
                "replicas": [replica],
                "players": 3,
                "kbps": row["kbps"],
                "video": "h264",
                "audio": "aac 48000x2",
                "state": "live",
            }
            one = await told(node, "/api/v1/streams/live/x")
            (branch,) = one["replicas"]
            quality = {"lag_ms": branch["lag_ms"], "skips": 0, "losses": 0}
            assert one == row | {"replicas": [replica | {"players": 1, "replicas": []} | quality]}
            (hop,) = (await told(node, "/api/v1/quality"))["hops"]
            assert hop == {"stream": "live/x", "node": "b", "supplier": "a"} | quality | {
                name: hop[name] for name in ("lag_ms", "rtt_ms", "jitter_ms", "loss")
            }


@asynctest
async def test_a_stream_that_nobody_has_is_not_found(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        assert await told(a, "/api/v1/streams") == {"streams": []}
        assert await told(a, "/api/v1/streams/live/x", status=404) == {"error": "no node has live/x"}


@asynctest
async def test_a_stream_without_a_publisher_is_stalled(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        await publisher.end()
        await until(lambda: not b.gossip.tables.leader("live/x") and b.gossip.tables.replicas("live/x"))
        (row,) = (await told(b, "/api/v1/streams"))["streams"]
        assert (row["leader"], row["state"], row["epoch"]) == (None, "stalled", 1)
        assert row["replicas"] == [{"node": "a", "supplier": None, "depth": 0, "head": (1 << 32) + 8}]


@asynctest
async def test_who_does_not_answer_is_named_and_not_waited_for_for_long(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: c.gossip.tables.leader("live/x"))
        with mock.patch.dict(b.gossip._callbacks, clear=True):
            began = asyncio.get_running_loop().time()
            shown = await told(c, "/api/v1/streams")
            assert 0.4 < asyncio.get_running_loop().time() - began < 1
            assert shown["partial"] == ["b"]
            assert shown["streams"][0]["head"] == (1 << 32) + 8, "the others have answered"
            assert (await told(c, "/api/v1/streams/live/x"))["partial"] == ["b"]
            assert (await told(c, "/api/v1/quality"))["partial"] == ["b"]
        assert "partial" not in await told(c, "/api/v1/streams")


@asynctest
async def test_a_route_is_the_one_that_a_client_takes(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        cases = [
            (a, "stream=live/x", "serve", "a", f"http://{HOST}:{http(a)}/live/x.flv"),
            (b, "stream=live/x", "redirect", "a", f"http://{HOST}:{http(a)}/live/x.flv"),
            (b, "stream=live/x&proto=rtmp", "serve", "b", f"rtmp://{HOST}:{rtmp(b)}/live/x"),
            (b, "stream=live/x&proto=ws", "serve", "b", f"ws://{HOST}:{http(b)}/live/x.flv"),
            (b, "stream=live/x&redirect=0", "serve", "b", f"http://{HOST}:{http(b)}/live/x.flv"),
            (b, "stream=live/x&via=a", "serve", "b", f"http://{HOST}:{http(b)}/live/x.flv"),
            (b, "stream=live/y&action=publish", "serve", "b", f"http://{HOST}:{http(b)}/live/y.flv"),
        ]
        for node, query, action, name, url in cases:
            route = await told(node, f"/api/v1/route?{query}")
            assert (route["action"], route["node"], route["url"]) == (action, name, url), query
            assert route["reasons"] and "candidates" not in route
        refused = await told(b, "/api/v1/route?stream=live/x&action=publish&explain=1")
        assert refused == {"action": "refuse", "status": 409, "reasons": ["live/x is live on a"]}
        route = await told(b, "/api/v1/route?stream=live/x&explain=1")
        explained = sorted(route["candidates"], key=lambda row: row["node"])
        assert [(row["node"], row["role"], row["lost"]) for row in explained] == [
            ("a", "leader", ""),
            ("b", "", "does not have the stream"),
        ]
        for row in explained:
            assert list(row["terms"]) == list(route["weights"]) and all(0 <= it <= 1 for it in row["terms"].values())
            total = sum(route["weights"][term] * value for term, value in row["terms"].items())
            assert row["score"] == pytest.approx(total, abs=0.05)


@asynctest
async def test_a_route_in_a_mesh_that_redirects_nobody_leads_here(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", balance__redirect="false") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        assert (await told(b, "/api/v1/route?stream=live/x"))["node"] == "b"


@asynctest
async def test_a_route_is_that_of_a_client_in_its_zone_and_keeps_its_session(tmp_path: Path) -> None:
    zones = {"balance.zones": '{"10.1.0.0/16" = "west", "2001:db8::/32" = "west"}'}
    async with meshed(tmp_path, **zones) as mesh:
        east, west = await mesh.start("a", node__zone="east"), await mesh.start("b", node__zone="west")
        await Poster.begin(east, "/live/x", *HEADERS, *gop(0))
        await until(lambda: west.gossip.tables.leader("live/x"))
        cases = [
            ("", "a"),
            ("&zone=west", "b"),
            ("&ip=10.1.2.3", "b"),
            ("&ip=2001:db8::7", "b"),
            ("&ip=10.2.0.1", "a"),
            ("&ip=10.1.2.3&zone=east", "a"),
        ]
        for query, name in cases:
            assert (await told(east, f"/api/v1/route?stream=live/x{query}"))["node"] == name, query
        for asked, sent in ("&sid=s", []), ("", ["Cookie: mesh_sid=s"]), ("&sid=s", ["Cookie: mesh_sid=t"]):
            route = await told(east, f"/api/v1/route?stream=live/x{asked}", *sent)
            assert route["url"] == f"http://{HOST}:{http(east)}/live/x.flv?sid=s"


WRONG = [
    ("/api/v1/route", 400, "stream is missing, expected stream=APP/NAME"),
    ("/api/v1/route?stream=x", 400, "stream 'x/', expected APP/NAME of letters"),
    ("/api/v1/route?stream=live/../x&action=publish", 400, "stream 'live/../x', expected APP/NAME of letters"),
    ("/api/v1/route?stream=live/x&action=watch", 400, "action=watch, expected play or publish"),
    ("/api/v1/route?stream=live/x&proto=gopher", 400, "proto=gopher, expected flv or rtmp or ws"),
    ("/api/v1/route?stream=live/x&ip=nowhere", 400, "ip=nowhere, expected an IPv4 or IPv6 address"),
    ("/api/v1/route?stream=live/x&zone=a%20b", 400, "zone=a b, expected a word"),
    ("/api/v1/route?stream=live/x&sid=a%20b", 400, "sid=a b, expected up to 64"),
    ("/api/v1/nothing", 404, "GET /api/v1/nothing: no such call"),
    ("/api/", 404, "GET /api/: no such call"),
    ("/static/nothing.js", 404, "no page nothing.js"),
    ("/static/..%2f..%2fapi.py", 404, "no page ../../api.py"),
    ("/static/..%2fhttp.js", 404, "no page ../http.js"),
    ("/static/%00.js", 404, "no page"),
    ("/static/web", 404, "no page web"),
]


@asynctest
async def test_what_makes_no_sense_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        for target, status, words in WRONG:
            assert words in (await told(a, target, status=status))["error"], target
        (tmp_path / "secret.txt").write_text("a secret")
        for path in (f"{tmp_path}/secret.txt", f"../../../../../../../..{tmp_path}/secret.txt"):
            assert "no page" in (await told(a, f"/static/{path.replace('/', '%2F')}", status=404))["error"]
        status, _, body = await get(a, "/api/v1/nodes", method="POST")
        assert (status, json.loads(body)["error"]) == (404, "POST /api/v1/nodes: no such call")


@pytest.mark.parametrize(
    ("target", "kind"), [("/", "html"), ("/watch/live/x", "html"), ("/static/watch.js", "javascript")]
)
@asynctest
async def test_there_are_pages_to_look_at(tmp_path: Path, target: str, kind: str) -> None:
    async with meshed(tmp_path, "a") as (a,):
        status, headers, body = await get(a, target)
        assert (status, headers["content-type"]) == (200, f"text/{kind}; charset=utf-8") and body
        assert headers["cache-control"] == "no-cache"
        assert (await get(a, target, method="HEAD"))[::2] == (200, b"")


@asynctest
async def test_players_may_be_called_like_the_api(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        for key in ("watching/x", "apis/v1", "static2/x"):
            await Poster.begin(a, f"/{key}", *HEADERS, *gop(0))
            assert len(await (await Player.begin(a, f"/{key}.flv?wait=1")).tags(8)) == 8
