import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mesh.media import flv
from mesh.node import Node
from tests.net.asynctest import asynctest
from tests.net.nodes import (
    HEADERS,
    HOST,
    Client,
    Player,
    Poster,
    gop,
    http,
    meshed,
    payloads,
    picture,
    until,
    written,
)

PLAYER_HEAD = (
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: video/x-flv\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n"
    "Access-Control-Allow-Origin: *\r\n\r\n"
)


async def refusal(node: Node, request: str, *headers: str) -> tuple[int, str]:
    """The status that answers a request, and why."""
    client = await Client.ask(http(node), request, *headers)
    head = await client.head()
    assert "Content-Type: application/json" in head and "Access-Control-Allow-Origin: *\r\n" in head, head
    error = json.loads(await client.reader.readline())["error"]
    client.close()
    return int(head.split(" ")[1]), error


async def location(node: Node, request: str, *headers: str, host: str = "", status: int = 302) -> str:
    """Where a request is redirected."""
    client = await Client.ask(http(node), request, *headers, host=host)
    first, *lines = (await client.head()).split("\r\n")
    client.close()
    assert first.split(" ")[1] == str(status), first
    told = dict(line.split(": ", 1) for line in lines if line)
    assert told["Access-Control-Allow-Origin"] == "*"
    return told["Location"]


def known(node: Node, key: str) -> Callable[[], Any]:
    return lambda: node.gossip.tables.leader(key)


@asynctest
async def test_a_player_gets_this_head_and_the_stream_from_its_newest_keyframe(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x.flv", *HEADERS, *gop(0), *gop(5))
        await written(a, "live/x", 13)
        player = await Client.ask(http(a), "GET /live/x.flv")
        assert await player.head() == PLAYER_HEAD
        wanted = b"".join([flv.header(True, True), *(flv.encode(tag) for tag in HEADERS[:1])])
        assert await player.reader.readexactly(len(wanted)) == wanted


@asynctest
async def test_a_player_is_redirected_to_the_node_that_has_the_stream_with_all_of_its_query(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        query = "token=a%2Bb%26c&token=2&empty="
        assert await location(b, f"GET /live/x.flv?{query}") == f"http://{HOST}:{http(a)}/live/x.flv?{query}&via=b"
        assert await location(b, "HEAD /live/x.flv") == f"http://{HOST}:{http(a)}/live/x.flv?via=b"


@pytest.mark.parametrize("host", ["stream.example", "stream.example:80", "192.0.2.7:8080", "[2001:db8::1]:8080"])
@asynctest
async def test_a_node_that_is_known_by_a_loopback_address_is_named_as_the_client_named_this_one(
    tmp_path: Path, host: str
) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        name = host.rpartition(":")[0] if host.count(":") in (1, 4) else host
        assert await location(b, "GET /live/x.flv", host=host) == f"http://{name}:{http(a)}/live/x.flv?via=b"


@pytest.mark.parametrize("host", ["", "[::1", "a b", "host:port", ":"])
@asynctest
async def test_a_host_that_is_none_is_no_reason_to_fail(tmp_path: Path, host: str) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        client = await Client.connect(http(b))
        client.send(f"GET /live/x.flv HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert await client.status() in (302, 400)


@pytest.mark.parametrize("query", ["redirect=0", "via=c", "via=", "redirect=0&via=b"])
@asynctest
async def test_who_asks_to_be_served_here_or_was_redirected_here_is_served_here(tmp_path: Path, query: str) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        if query == "via=":
            assert await location(b, f"GET /live/x.flv?{query}")
        else:
            player = await Player.begin(b, f"/live/x.flv?{query}")
            assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])


@asynctest
async def test_a_mesh_may_be_told_to_redirect_nobody(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", balance__redirect="false") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        player = await Player.begin(b, "/live/x.flv")
        assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])


REFUSED = [
    ("GET /live/none.flv", 404, "no node has live/none"),
    ("GET /live/none.flv?via=b", 404, "no node has live/none"),
    ("GET /live/none.flv?wait=0.05", 404, "no node has live/none"),
    ("GET /live/none.flv?wait=soon", 400, "wait=soon, expected seconds from 0 to 60"),
    ("GET /live/none.flv?wait=1e9", 400, "wait=1e9, expected seconds from 0 to 60"),
    ("GET /live/none.ts", 404, "live/none.ts: expected .flv at the end"),
    ("GET /favicon.ico", 404, "favicon.ico: expected .flv at the end"),
    ("GET /none.flv", 400, "stream 'none/', expected APP/NAME"),
    ("GET /live/%2e%2e/x.flv", 400, "stream 'live/../x', expected APP/NAME"),
    ("GET /live/a%00b.flv", 400, "expected APP/NAME"),
    ("GET /live//x.flv", 400, "stream 'live//x', expected APP/NAME"),
    (f"GET /live/{'x' * 300}.flv", 400, "at most 200 in all"),
    ("POST /none", 400, "stream 'none/', expected APP/NAME"),
    ("POST /live/x.ts", 415, "live/x.ts: expected .flv at the end"),
    ("PUT /live/x.mkv", 415, "live/x.mkv: expected .flv at the end"),
    ("POST /live/x.m3u8", 415, "live/x.m3u8: expected .flv at the end"),
    ("POST /live/taken", 409, "live/taken is live on a"),
    ("PUT /live/taken.flv", 409, "live/taken is live on a"),
]


@asynctest
async def test_who_is_refused_is_told_why(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/taken", *HEADERS)
        await until(known(b, "live/taken"))
        for node in (a, b):
            for request, status, words in REFUSED:
                body = [] if request.startswith("GET") else ["Transfer-Encoding: chunked"]
                assert (told := await refusal(node, request, *body))[0] == status, (request, told)
                assert words in told[1], request


@pytest.mark.parametrize("request_", ["HEAD /live/none.flv", "HEAD /live/none.ts"])
@asynctest
async def test_head_is_answered_as_get_is_without_a_body(tmp_path: Path, request_: str) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await Client.ask(http(a), request_, "Connection: close")
        assert await client.status() == 404
        assert await client.rest() == b""


@asynctest
async def test_head_of_a_stream_says_what_it_is(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS)
        client = await Client.ask(http(a), "HEAD /live/x.flv?wait=2", "Connection: close")
        head = await client.head()
        assert head.startswith("HTTP/1.1 200 OK\r\n") and "Content-Type: video/x-flv\r\n" in head
        assert "Content-Length" not in head
        assert await client.rest() == b"" and not len(a.fanout)


@asynctest
async def test_pages_of_other_sites_may_play_and_publish(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        asked = "Origin: http://example", "Access-Control-Request-Headers: content-type"
        head = await (await Client.ask(http(a), "OPTIONS /live/x.flv", *asked)).head()
        assert head.startswith("HTTP/1.1 204 ")
        assert "Access-Control-Allow-Origin: *\r\n" in head
        assert "Access-Control-Allow-Methods: GET, POST, PUT\r\n" in head
        assert "Access-Control-Allow-Headers: *\r\n" in head


@asynctest
async def test_a_publisher_from_the_internet_is_refused_without_a_secret(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        with mock.patch("mesh.net.stream.trusted", lambda host: host != HOST):
            assert await refusal(a, "POST /live/x", "Transfer-Encoding: chunked") == (
                403,
                f"{HOST} is a public address, and this mesh has no secret",
            )
        assert not a.gossip.tables.leads("live/x")


@asynctest
async def test_a_node_without_room_says_503_and_when_to_try_again(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS)
        await until(known(a, "live/x"))
        a.gossip.drain(True)
        client = await Client.ask(http(a), "GET /live/x.flv")
        head = await client.head()
        assert head.startswith("HTTP/1.1 503 ") and "Retry-After: 1\r\n" in head
        assert await refusal(a, "POST /live/y", "Transfer-Encoding: chunked") == (
            503,
            "no node can take it: a is draining",
        )


@asynctest
async def test_a_publisher_who_asks_first_is_redirected_and_who_does_not_is_not(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        b.gossip.drain(True)
        asks = "Transfer-Encoding: chunked", "Expect: 100-continue"
        told = await location(b, "POST /live/x?token=1", *asks, status=307)
        assert told == f"http://{HOST}:{http(a)}/live/x.flv?token=1&via=b"
        for request in ("POST /live/x?via=a", "POST /live/x?redirect=0"):
            assert (await refusal(b, request, *asks))[0] == 503
        assert (await refusal(b, "POST /live/x", asks[0]))[0] == 503
        assert not a.gossip.tables.leads("live/x")


@pytest.mark.parametrize("expect", [True, False])
@pytest.mark.parametrize("method", ["POST", "PUT"])
@asynctest
async def test_a_publisher_is_told_how_much_was_taken(tmp_path: Path, method: str, expect: bool) -> None:
    async with meshed(tmp_path, "a") as (a,):
        body = flv.header(True, True) + b"".join(map(flv.encode, [*HEADERS, *gop(0)]))
        expects = ["Expect: 100-continue"] * expect
        client = await Client.ask(http(a), f"{method} /live/x.flv", f"Content-Length: {len(body)}", *expects)
        if expect:
            assert await client.head() == "HTTP/1.1 100 Continue\r\n\r\n"
        for byte in body:
            client.send(bytes([byte]))
        assert await client.status() == 200
        assert json.loads(await client.reader.readexactly(35)) == {"stream": "live/x", "messages": 8}


@asynctest
async def test_a_publisher_who_asks_first_is_refused_before_he_sends(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS)
        await until(known(a, "live/x"))
        assert await refusal(a, "POST /live/x", "Transfer-Encoding: chunked", "Expect: 100-continue") == (
            409,
            "live/x is live on a",
        )


@asynctest
async def test_a_publish_without_a_body_is_none(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        for request in ("POST /live/x", "PUT /live/x.flv"):
            status, words = await refusal(a, request)
            assert (status, words) == (411, "no body, expected Transfer-Encoding: chunked or Content-Length")
        assert not a.streams.get("live/x") and not a.gossip.tables.leads("live/x")


MALFORMED = [
    (b"RIFF....", "FLV begins with 52 49 46 46, expected 46 4c 56 01"),
    (flv.header(True, True) + b"\xc8" + bytes(20), "FLV tag of type 200 at byte 13, expected 8, 9 or 18"),
    (flv.header(True, True) + flv.encode(picture(0)._replace(payload=b"\x27")), "video of 1 bytes (27) ends within"),
]


@pytest.mark.parametrize(("body", "words"), MALFORMED, ids=str)
@asynctest
async def test_what_is_no_flv_is_refused_with_what_was_expected(tmp_path: Path, body: bytes, words: str) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await Client.ask(http(a), "POST /live/x", "Transfer-Encoding: chunked")
        client.send(b"%x\r\n%b\r\n" % (len(body), body))
        assert await client.status() == 400
        assert words in json.loads(await client.reader.readline())["error"]
        await until(lambda: not a.gossip.tables.leads("live/x"))
