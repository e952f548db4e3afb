import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from mesh.media import flv
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import (
    HEADERS,
    HOST,
    LEAVES,
    Client,
    Player,
    Poster,
    RTMPClient,
    footprint,
    get,
    gop,
    http,
    meshed,
    payloads,
    picture,
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


@asynctest
async def test_a_redirect_keeps_the_session_of_the_query_or_else_that_of_the_cookie(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        for query, cookie, kept in (
            ("?sid=1", "mesh_sid=2", "sid=1&via=b"),
            ("", "other=1; mesh_sid=2", "via=b&sid=2"),
        ):
            told = await location(b, f"GET /live/x.flv{query}", f"Cookie: {cookie}")
            assert told == f"http://{HOST}:{http(a)}/live/x.flv?{kept}"


@asynctest
async def test_a_client_is_in_the_zone_of_its_own_address_whoever_it_says_to_speak_for(tmp_path: Path) -> None:
    zones = {"balance.zones": f'{{"{HOST}/32" = "east", "10.0.0.0/8" = "west"}}'}
    async with meshed(tmp_path, **zones) as mesh:
        west, east = await mesh.start("a", node__zone="west"), await mesh.start("b", node__zone="east")
        await Poster.begin(west, "/live/x", *HEADERS, *gop(0))
        await until(known(east, "live/x"))
        assert await location(west, "GET /live/x.flv", "X-Forwarded-For: 10.0.0.1") == (
            f"http://{HOST}:{http(east)}/live/x.flv?via=a"
        )
        player = await RTMPClient.play(west, "live/x")
        assert len(await player.tags(8)) == 8, "no RTMP client follows a redirect"


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
    ("GET /live/none.flv?zone=%20", 400, "zone= , expected a word"),
    ("GET /live/none.flv?sid=%00", 400, "expected up to 64 ASCII characters"),
    ("POST /live/x?redirect=2", 400, "redirect=2, expected 0 or 1"),
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
        with mock.patch("mesh.net.streams.trusted", lambda host: host != HOST):
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
        client.close()


@asynctest
async def test_a_websocket_player_gets_the_stream_in_binary_messages_and_pongs_between_them(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,), aiohttp.ClientSession() as session:
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        async with session.ws_connect(f"ws://{HOST}:{http(a)}/live/x.flv", autoping=False) as player:
            reader = flv.Reader()
            seen: list[bytes] = []
            pongs = []
            for turn in range(1, 20):
                await player.ping(bytes([turn]) * (turn * 6))
                publisher.feed(*gop(5 * turn))
            while len(seen) < 103 or len(pongs) < 19:
                message = await player.receive(5)
                if message.type == WSMsgType.PONG:
                    pongs.append(bytes(message.data))
                else:
                    assert message.type == WSMsgType.BINARY
                    seen += payloads(reader.feed(message.data))
            assert seen[3:] == payloads(tag for turn in range(20) for tag in gop(5 * turn))
            assert pongs == [bytes([turn]) * (turn * 6) for turn in range(1, 20)]


@asynctest
async def test_a_websocket_player_who_says_goodbye_is_answered(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,), aiohttp.ClientSession() as session:
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        player = await session.ws_connect(f"ws://{HOST}:{http(a)}/live/x.flv", autoclose=False)
        await player.receive(5)
        await player.close()
        assert player.close_code == 1000
        await until(lambda: not len(a.fanout))


@asynctest
async def test_a_websocket_player_is_told_that_the_stream_ended(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__hold_s="0") as (a,), aiohttp.ClientSession() as session:
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        player = await session.ws_connect(f"ws://{HOST}:{http(a)}/live/x.flv")
        await publisher.end()
        while (message := await player.receive(5)).type == WSMsgType.BINARY:
            pass
        assert message.type == WSMsgType.CLOSE and message.data == 1000
        await until(lambda: not len(a.fanout))


@asynctest
async def test_websocket_players_are_not_redirected_but_told_as_others_what_is_not_there(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b), aiohttp.ClientSession() as session:
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(b, "live/x"))
        async with session.ws_connect(f"ws://{HOST}:{http(b)}/live/x.flv") as player:
            assert (await player.receive(5)).data[:3] == b"FLV"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"ws://{HOST}:{http(b)}/live/none.flv")
        assert refused.value.status == 404


ASKED = "GET /live/x.flv HTTP/1.1\r\nHost: x\r\n\r\n"
HEADS = {"playing": ASKED, "half a head": ASKED[:20], "waiting": ASKED.replace("x.flv", "none.flv?wait=9")}


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("asked", HEADS)
@asynctest
async def test_however_a_player_leaves_nothing_of_him_stays(
    tmp_path: Path, asked: str, leave: Callable[[Client], None]
) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        before = footprint()
        client = await Client.connect(http(a))
        client.send(HEADS[asked].encode())
        await asyncio.sleep(0.05)
        assert len(a.fanout) == (asked == "playing")
        leave(client)
        await client.hung_up()
        client.close()
        await until(lambda: footprint() == before)
        assert not len(a.fanout)


@asynctest
async def test_a_player_takes_one_descriptor_and_no_task_and_may_talk_on(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        descriptors, tasks = footprint()
        player = await Player.begin(a, "/live/x.flv")
        await until(lambda: footprint() == (descriptors + 2, tasks))  # one of them is the test's own
        player.send(ASKED.encode() * 10_000)
        publisher.feed(*gop(5))
        await player.sees(*gop(5))
        player.close()
        await until(lambda: footprint() == (descriptors, tasks))


WEBSOCKET = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
]


@pytest.mark.parametrize("leave", LEAVES)
@asynctest
async def test_however_a_websocket_player_leaves_nothing_of_him_stays(
    tmp_path: Path, leave: Callable[[Client], None]
) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        before = footprint()
        client = await Client.ask(http(a), "GET /live/x.flv", *WEBSOCKET)
        assert await client.status() == 101
        await until(lambda: len(a.fanout))
        leave(client)
        await client.hung_up()
        client.close()
        await until(lambda: footprint() == before)
        assert not len(a.fanout)


@pytest.mark.parametrize("leave", LEAVES)
@asynctest
async def test_however_a_publisher_leaves_nothing_of_him_stays(tmp_path: Path, leave: Callable[[Client], None]) -> None:
    async with meshed(tmp_path, "a") as (a,):
        before = footprint()
        client = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(known(a, "live/x"))
        leave(client)
        await client.hung_up()
        client.close()
        await until(lambda: not a.gossip.tables.leads("live/x"))
        await until(lambda: footprint() == before)


class Unread:
    """A transport of which the client has not read everything."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_write_buffer_size(self) -> int:
        return 1


@asynctest
async def test_no_stream_is_sent_into_a_response_that_has_not_been_read(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        real = web.BaseRequest.transport.fget
        with mock.patch("aiohttp.web.BaseRequest.transport", property(lambda request: Unread(real(request)))):
            assert await refusal(a, "GET /live/x.flv") == (
                400,
                "the response to the request before this one has not been read",
            )
        assert not len(a.fanout)


@asynctest
async def test_what_is_no_http_is_closed_with_one_line_of_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with meshed(tmp_path, "a") as (a,):
        for nonsense in (
            b"GET /\x00 HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"\x16\x03\x01\x02\r\n\r\n",
        ):
            client = await Client.connect(http(a))
            client.send(nonsense)
            assert await client.status() == 400
            await client.hung_up()
    assert caplog.records
    for record in caplog.records:
        assert record.levelname == "WARNING" and not record.exc_info and "\n" not in record.getMessage()


async def placed(node: Node, offset: str) -> tuple[Player, str, int]:
    """A player who asks where he is: with his position and the number of headers that he gets first."""
    player = await Player.ask(http(node), f"GET /live/x.flv?redirect=0&offset={offset}")
    told = next(line for line in (await player.head()).splitlines() if line.startswith("X-Mesh-Position: "))
    position, headers = told.removeprefix("X-Mesh-Position: ").split("; headers=")
    return player, position, int(headers)


@asynctest
async def test_a_player_goes_on_at_another_node_where_he_was(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0), *gop(5))
        await written(a, "live/x", 13)
        await until(lambda: b.gossip.tables.leader("live/x"))
        player, position, headers = await placed(b, "")
        assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(5)]) and headers == 3
        player.abort()
        epoch, leader, number = position.split(".")
        assert (epoch, leader) == ("1", a.gossip.id)
        publisher.feed(*gop(10))
        await written(a, "live/x", 18)
        # He had three frames, so he asks for the next.
        player, again, headers = await placed(a, f"{epoch}.{leader}.{int(number) + 3}")
        assert again == f"{epoch}.{leader}.{int(number) + 3}"
        assert payloads(await player.tags(10)) == payloads([*HEADERS, *gop(5)[3:], *gop(10)])
        assert (await get(a, "/live/x.flv?offset=7"))[0] == 400


@asynctest
async def test_a_player_who_has_more_than_this_node_waits_for_the_next_frame(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        publisher = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        asked = f"1.{a.gossip.id}.10"
        asking = asyncio.create_task(placed(a, asked))
        await asyncio.sleep(0.1)
        publisher.feed(*gop(5))
        player, position, headers = await asking
        assert (position, headers) == (asked, 3)
        assert payloads(await player.tags(3 + 3)) == payloads([*HEADERS, *gop(5)[2:]])


@asynctest
async def test_a_player_of_a_websocket_goes_on_where_he_was(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,), aiohttp.ClientSession() as session:
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0), *gop(5))
        await written(a, "live/x", 13)
        url = f"ws://127.0.0.1:{http(a)}/live/x.flv?offset=1.{a.gossip.id}.5"
        async with session.ws_connect(url) as websocket:
            assert "X-Mesh-Position" in websocket._response.headers
            reader, got = flv.Reader(), []
            while len(got) < 3 + 8:
                got += reader.feed((await websocket.receive()).data)
            assert payloads(got) == payloads([*HEADERS, *gop(0)[2:], *gop(5)])


@asynctest
async def test_nobody_waits_on_a_stream_that_ended_while_he_was_placed(tmp_path):
    async with meshed(tmp_path, "a", stream__hold_s="0.3") as (a,):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS)
        await written(a, "live/x", 3)
        publisher.close()
        await until(lambda: a.streams.get("live/x").publication is None)
        status, _, body = await get(a, "/live/x.flv?offset=1." + a.gossip.id + ".0")
        assert (status, json.loads(body)) == (404, {"error": "live/x has ended"})
