"""HTTP: players and publishers of FLV; what the node says about itself is in `net.api`.

aiohttp parses requests and speaks WebSocket. Then a player's socket is handed to the fan-out, which sends everything
from there on, the response's head included. A WebSocket's reading side stays with aiohttp; of a plain player, who has
nothing more to say, it keeps nothing, and the intake notices when he goes.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import aiohttp
from aiohttp import WSMsgType, hdrs, web
from aiohttp.http import HttpProcessingError

from mesh.balance.policy import Action, Redirect, Request
from mesh.control.url import stream_url
from mesh.errors import MediaError, StreamNotFound
from mesh.media import amf0, flv
from mesh.media.frame import Entry, Frame, Kind
from mesh.net.descriptor import check, duplicate
from mesh.net.fanout import Fanout
from mesh.net.intake import Intake
from mesh.net.player import Player
from mesh.net.publication import Publication
from mesh.net.request import ask, wait_s
from mesh.net.stream import Stream
from mesh.net.streams import Streams
from mesh.net.terms import CORS, asked_host, failure, query_of, refusals, stream_key
from mesh.stream import resume
from mesh.stream.rendition import FLV, WEBSOCKET_FLV, Format, Rendition

log = logging.getLogger("mesh.http")

IDLE_S = 75.0
"""A connection on which nothing is asked for so long is closed."""
LINGER_S = 1.0
"""For which a client who goes on sending after he was refused may read why."""
STOP_S = 0.75
"""For which stopping waits for those who do not take their response; aiohttp does so twice."""
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"Access-Control-Allow-Origin: *\r\n\r\n"
)
PREFLIGHT = CORS | {"Access-Control-Allow-Methods": "GET, POST, PUT", "Access-Control-Allow-Headers": "*"}
PUBLICATION = web.RequestKey("publication", Publication)
PLAYED = {"flv"}
PUBLISHED = {"flv", ""}
FORMATS = {"flv", "ts", "mkv", "mp4", "m3u8"}
NORMAL_CLOSURE = b"\x88\x02\x03\xe8"
PONG = b"\x8a"


class Asked(NamedTuple):
    """How a client asked, as far as its answers depend on it."""

    host: str
    """By which it found this node."""
    query: Sequence[tuple[str, str]]


class Departure:
    """Of a player to whom nobody listens, the intake only learns that he goes."""

    def __init__(self, fanout: Fanout, player: Player) -> None:
        self._fanout = fanout
        self._player = player

    def receive(self, data: memoryview) -> None:
        """Let him talk."""

    def close(self, reason: str) -> None:
        """He is gone."""
        self._fanout.remove(self._player, reason)


class Log(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp has to say: in one line, where it is the client's fault."""

    def exception(self, msg: object, *args: Any, exc_info: Any = True, **more: Any) -> None:
        if isinstance(exc_info, HttpProcessingError):
            self.warning("%s is closed: %s", *args, " ".join(exc_info.message.split()))
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)


def runner(routes: Iterable[web.RouteDef]) -> web.AppRunner:
    """A server for these routes."""
    site = web.Application()
    site.add_routes(routes)
    return web.AppRunner(
        site,
        access_log=None,
        handler_cancellation=True,
        keepalive_timeout=IDLE_S,
        lingering_time=LINGER_S,
        logger=Log(log),
        shutdown_timeout=STOP_S,
    )


class Media:
    """The routes under which streams are played and published."""

    def __init__(self, streams: Streams, fanout: Fanout, intake: Intake) -> None:
        self._streams = streams
        self._fanout = fanout
        self._intake = intake

    def routes(self) -> list[web.RouteDef]:
        """For the application's router; they match every path, so they come last."""
        path = "/{path:.+}"
        return [
            web.get(path, self.play),
            web.options(path, self.preflight),
            *(web.route(method, path, self.publish, expect_handler=self.expect) for method in ("POST", "PUT")),
        ]

    async def preflight(self, request: web.Request) -> web.Response:
        """Let pages of other sites play."""
        return web.Response(status=204, headers=PREFLIGHT)

    async def play(self, request: web.Request) -> web.StreamResponse:
        """Serve the stream from here, or say who does."""
        key = _key(request, PLAYED)
        websocket = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        with refusals():
            wish = self._ask(request, key, Action.PLAY, "ws" if websocket else "flv")
            placed = await self._streams.play(wish, wait_s(request.query))
        if isinstance(placed, Redirect):
            location = self._location(asked(request), wish, placed)
            return web.Response(status=302, headers=CORS | {hdrs.LOCATION: location})
        if request.method == hdrs.METH_HEAD:
            return web.Response(content_type="video/x-flv", headers=CORS)
        with refusals():
            place = await placed.resumed(request.query.get("offset"))
        return await (self._play_websocket if websocket else self._play_flv)(request, wish, placed, place)

    async def expect(self, request: web.Request) -> None:
        """Decide before the body comes: who sends `Expect: 100-continue` waits for the answer, and follows a 307."""
        request[PUBLICATION] = await self._published(request)
        assert request.transport
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def publish(self, request: web.Request) -> web.Response:
        """Take a stream until its body ends."""
        publication = request.get(PUBLICATION) or await self._published(request)
        client, key, reader = request.remote, publication.lead.stream, flv.Reader()
        log.info("%s publishes %s as %s", client, key, request.scheme)
        reason = "the connection was closed"
        try:
            async for data in request.content.iter_any():
                for tag in reader.feed(data):
                    publication.write(*tag)
            reason = "it ended"
        except MediaError as error:
            reason = str(error)
            raise failure(400, reason) from None
        except aiohttp.ClientPayloadError as error:
            raise failure(400, str(error)) from None
        finally:
            self._streams.unpublish(key, publication)
            log.info("%s published %d messages of %s: %s", client, publication.leader.frames, key, reason)
        return web.json_response({"stream": key, "messages": publication.leader.frames}, headers=CORS)

    async def _published(self, request: web.Request) -> Publication:
        key = _key(request, PUBLISHED)
        if not request.body_exists:
            raise failure(411, "no body, expected Transfer-Encoding: chunked or Content-Length")
        transport = request.transport
        assert transport
        with refusals():
            wish = self._ask(request, key, Action.PUBLISH, "flv")
            if hdrs.EXPECT not in request.headers:
                wish = replace(wish, redirect=False)
            placed = await self._streams.publish(wish, request.remote or "", lambda reason: transport.close())
        if isinstance(placed, Redirect):
            raise web.HTTPTemporaryRedirect(self._location(asked(request), wish, placed), headers=CORS)
        return placed

    def _ask(self, request: web.Request, key: str, action: Action, proto: str) -> Request:
        if request.transport:
            check(request.transport.get_extra_info("socket").fileno())
        # The peer's own address, whatever X-Forwarded-For says: anyone can write that, and behind a proxy the media
        # goes to the proxy too, so that its zone is the one that counts.
        return ask(key, action, proto, query_of(request), self._streams.balance.zone_of(request.remote or ""))

    def _location(self, asked: Asked, wish: Request, redirect: Redirect) -> str:
        """The same URL at another node, and who sent the client there; a cookie's session goes along."""
        tables = self._streams.tables
        query = [(name, value) for name, value in asked.query if name != "via"]
        query.append(("via", tables.display_name(tables.me)))
        if wish.sid and "sid" not in dict(query):
            query.append(("sid", wish.sid))
        return stream_url(tables.members[redirect.node], wish.stream, wish.proto, tables, asked.host, query)

    async def _play_flv(
        self, request: web.Request, wish: Request, stream: Stream, place: Entry | None
    ) -> web.StreamResponse:
        told = resume.told(stream.log, place)
        head = HEAD[:-2] + "".join(f"{name}: {value}\r\n" for name, value in told.items()).encode() + b"\r\n"
        farewell = partial(self._onward, asked(request), wish, stream, FLV)
        with refusals():
            rendition = stream.rendition(FLV)
        sock = _taken(request)
        leave = partial(self._intake.remove, sock.fileno())
        player = _player(request, sock, rendition, leave, farewell, head, place)
        self._intake.add(sock.fileno(), Departure(self._fanout, player))
        self._fanout.add(player)
        assert request.transport
        request.transport.abort()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("cancelled, because its transport is gone")

    async def _play_websocket(
        self, request: web.Request, wish: Request, stream: Stream, place: Entry | None
    ) -> web.StreamResponse:
        websocket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False)
        websocket.headers.update(resume.told(stream.log, place))
        await websocket.prepare(request)
        farewell = partial(self._onward, asked(request), wish, stream, WEBSOCKET_FLV, NORMAL_CLOSURE)
        try:
            rendition = stream.rendition(WEBSOCKET_FLV)
        except StreamNotFound:
            await websocket.close()
            return websocket
        sock, transport = _taken(request), request.transport
        assert transport
        player = _player(request, sock, rendition, transport.close, farewell, b"", place)
        self._fanout.add(player)
        try:
            async for message in websocket:
                # Pongs go through the fan-out too: no message may be cut by another.
                if message.type == WSMsgType.PING:
                    self._fanout.control(player, PONG + bytes([len(message.data)]) + message.data)
            self._fanout.control(player, NORMAL_CLOSURE)
        finally:
            self._fanout.remove(player, "the client left")
        return websocket

    def _onward(self, asked: Asked, wish: Request, stream: Stream, form: Format, end: bytes = b"") -> bytes:
        """How a stream ends: where this node is sending its players away, with script data that says where to."""
        placed = self._streams.balance.onward(replace(wish, proto="flv", via=""))
        if placed is None:
            return end
        payload = amf0.encode("onRedirect", {"url": self._location(asked, wish, placed)})
        dts = max(stream.log.last_dts.values(), default=0)
        return b"".join(form.encode(Frame(0, Kind.META, dts, 0, False, False, payload), dts)) + end


def _taken(request: web.Request) -> socket.socket:
    """The socket of a request's connection, for the fan-out."""
    transport = request.transport
    assert transport
    if transport.get_write_buffer_size():
        raise failure(400, "the response to the request before this one has not been read")
    with refusals():
        return duplicate(transport)


def _player(
    request: web.Request, sock: socket.socket, rendition: Rendition, leave: Callable[[], None],
    farewell: Callable[[], bytes], head: bytes, place: Entry | None,
) -> Player:  # fmt: skip
    """Who plays over this socket, from a place on; `leave` is called when it is closed."""
    client, key = request.remote, rendition.log.key

    def closed(reason: str) -> None:
        log.info("%s played %s: %s", client, key, reason)
        leave()

    player = Player(sock, rendition, closed, farewell)
    player.control = head
    if place:
        player.control, player.offset = head + rendition.opening(place), place.offset
    log.info("%s plays %s as %s", client, key, request.scheme)
    return player


def asked(request: web.Request) -> Asked:
    """How a client asked."""
    return Asked(asked_host(request), [*request.query.items()])


def _key(request: web.Request, formats: set[str]) -> str:
    """The stream that the path names, if its format is one of these."""
    path = request.match_info["path"]
    key, dot, form = path.rpartition(".")
    if not dot or form not in FORMATS:
        key, form = path, ""
    if form not in formats:
        wanted = " or ".join(f".{known}" for known in sorted(formats) if known)
        raise failure(404 if formats is PLAYED else 415, f"{path}: expected {wanted} at the end")
    return stream_key(key)
