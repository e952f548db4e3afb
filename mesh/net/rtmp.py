"""RTMP connections: bytes to the session, its events to the streams, and its players to the fan-out."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

from mesh.balance.policy import Action, Redirect, Request
from mesh.control.url import node_url
from mesh.errors import NoRoom, ProtocolError, StreamError, StreamNotFound, StreamTaken
from mesh.media.frame import Frame
from mesh.net.descriptor import check, duplicate
from mesh.net.fanout import MAX_CONTROL, Fanout
from mesh.net.intake import Intake
from mesh.net.listen import BACKLOG
from mesh.net.player import Player
from mesh.net.publication import Publication
from mesh.net.request import ask, wait_s
from mesh.net.streams import Streams
from mesh.rtmp import chunk
from mesh.rtmp.connection import STREAM
from mesh.rtmp.event import MessageReceived, PlayEnded, PlayRequested, PublishEnded, PublishRequested
from mesh.rtmp.session import ServerSession
from mesh.stream.catalog import checked_key
from mesh.stream.rendition import Format

log = logging.getLogger("mesh.rtmp")

Wish = TypeVar("Wish", PublishRequested, PlayRequested)

GREETING_S = 10.0
"""A client that has not said within this what it wants is closed."""
CODES = {
    (Action.PLAY, StreamNotFound): "NetStream.Play.StreamNotFound",
    (Action.PUBLISH, StreamTaken): "NetStream.Publish.BadName",
    (Action.PLAY, NoRoom): "NetConnection.Connect.Rejected",
    (Action.PUBLISH, NoRoom): "NetConnection.Connect.Rejected",
}
FAILED = {Action.PLAY: "NetStream.Play.Failed", Action.PUBLISH: "NetStream.Publish.Denied"}


def rtmp_frame(frame: Frame, time_ms: int) -> list[bytes]:
    """A frame as chunks that fit every player: nothing in them refers to what was sent before."""
    return chunk.parts(frame.kind, time_ms & 0xFFFFFFFF, STREAM, frame.payload)


RTMP = Format(rtmp_frame, directed=False)

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task, and owns it."""


class Server:
    """Takes connections on a socket that listens already."""

    def __init__(self, streams: Streams, fanout: Fanout, intake: Intake, random: Random) -> None:
        self._streams = streams
        self._fanout = fanout
        self._intake = intake
        self._random = random
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()

    async def start(self, listener: socket.socket, spawn: Spawn) -> None:
        """Serve; `spawn` owns the tasks that wait for decisions."""

        def connection() -> Connection:
            session = ServerSession(self._random)
            return Connection(self._streams, self._fanout, self._intake, session, self.connections, spawn)

        self._server = await asyncio.get_running_loop().create_server(connection, sock=listener, backlog=BACKLOG)

    async def stop(self) -> None:
        """Close everything."""
        if not self._server:
            return
        self._server.close()
        decisions = [connection.decision for connection in self.connections if connection.decision]
        for connection in list(self.connections):
            connection.close("the node is stopping")
        for decision in decisions:
            decision.cancel()
        await asyncio.gather(*decisions, return_exceptions=True)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(
        self,
        streams: Streams,
        fanout: Fanout,
        intake: Intake,
        session: ServerSession,
        connections: "set[Connection]",
        spawn: Spawn,
    ) -> None:
        self.decision: asyncio.Task[None] | None = None
        """What it waits for, if the client wants something."""
        self._streams = streams
        self._fanout = fanout
        self._intake = intake
        self._session = session
        self._connections = connections
        self._spawn = spawn
        self._transport: asyncio.Transport
        self._greeting: asyncio.TimerHandle
        self._host = ""
        self._name = "?"
        self._events: list[Any] = []
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._publication: Publication | None = None
        self._player: Player | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)
        # Nothing may be left in the transport's buffer when the fan-out takes the socket over.
        transport.set_write_buffer_limits(0)
        self._fd: int = transport.get_extra_info("socket").fileno()
        peer = transport.get_extra_info("peername")
        self._host = peer[0]
        self._name = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        self._await_wish()
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._greeting.cancel()
        if self.decision:
            self.decision.cancel()
        self._connections.discard(self)
        self._flushed.set()
        self._leave(f"{error}" if error else "the client left")

    def pause_writing(self) -> None:
        self._flushed.clear()

    def resume_writing(self) -> None:
        self._flushed.set()

    def receive(self, data: bytes | memoryview) -> None:
        """Bytes of the client."""
        try:
            self._events += self._session.receive_data(data)
            self._handle_events()
        except ProtocolError as error:
            self.close(f"{error}", logging.WARNING)
        except Exception:
            log.exception("%s cannot be read", self._name)
            self.close("this node failed")
        else:
            self._send()

    data_received = receive

    def close(self, reason: str, level: int = logging.INFO) -> None:
        """Hang up, once what was said has been sent."""
        if self._transport.is_closing():
            return
        log.log(level, "%s closed: %s", self._name, reason)
        self._send()
        self._leave(reason)
        self._transport.close()

    def _send(self) -> None:
        data = self._session.data_to_send()
        if not data or self._transport.is_closing():
            return
        if self._player:
            self._fanout.control(self._player, data)
        else:
            self._transport.write(data)
            if (unread := self._transport.get_write_buffer_size()) > MAX_CONTROL:
                log.warning("%s closed: left %d bytes of answers unread", self._name, unread)
                self._transport.abort()

    def _handle_events(self) -> None:
        """Handle what has come, up to the first event that wants a decision; the rest waits for it."""
        events, self._events = self._events, []
        for at, event in enumerate(events):
            if self.decision:
                self._events = events[at:]
                return
            if type(event) is MessageReceived:
                if self._publication:
                    self._publication.write(*event)
            elif isinstance(event, PublishRequested):
                self._decide(self._publish, event)
            elif isinstance(event, PlayRequested):
                self._decide(self._play, event)
            elif isinstance(event, PublishEnded | PlayEnded):
                self._leave(event.reason)
                self._transport.resume_reading()
                self._await_wish()

    def _await_wish(self) -> None:
        self._greeting = asyncio.get_running_loop().call_later(
            GREETING_S, self.close, f"said within {GREETING_S:g} s neither publish nor play"
        )

    def _decide(self, decide: Callable[[Wish], Coroutine[Any, Any, None]], wish: Wish) -> None:
        self._greeting.cancel()
        self._transport.pause_reading()
        self.decision = self._spawn(self._decided(decide, wish))

    async def _decided(self, decide: Callable[[Wish], Coroutine[Any, Any, None]], wish: Wish) -> None:
        try:
            await decide(wish)
        except StreamError as error:
            self.close(f"refused: {error}")
        except Exception:
            log.exception("%s got no answer", self._name)
            self.close("this node failed")
        finally:
            self.decision = None
        if self._transport.is_closing():
            self._leave("the client left")
        else:
            if not self._publication:
                self._transport.resume_reading()
            self.receive(b"")

    def _ask(self, wish: Wish, action: Action) -> Request:
        check(self._fd)
        key, zone = checked_key(wish.app, wish.name), self._streams.balance.zone_of(self._host)
        return ask(key, action, "rtmp", wish.query, zone)

    async def _publish(self, event: PublishRequested) -> None:
        try:
            request = self._ask(event, Action.PUBLISH)
            publication = await self._streams.publish(request, self._host, self.close)
            assert not isinstance(publication, Redirect), "no RTMP client follows a redirect"
        except StreamError as error:
            self._session.reject_publish(_code(Action.PUBLISH, error), str(error))
            raise
        log.info("%s publishes %s", self._name, request.stream)
        publication.reconnect = partial(self._reconnect, request)
        self._publication = publication
        self._intake.add(self._fd, self)
        self._session.accept_publish()
        self._send()

    def _reconnect(self, request: Request) -> bool:
        """Ask the publisher to go on at another node, if there is one."""
        tables = self._streams.tables
        node = self._streams.balance.successor(request.stream, request.zone)
        origin = node_url(tables.members[node], "rtmp", tables, self._session.asked_host) if node else ""
        asked = self._session.request_reconnect(origin, "the node is draining")
        self._send()
        return asked

    async def _play(self, event: PlayRequested) -> None:
        try:
            request = self._ask(event, Action.PLAY)
            stream = await self._streams.play(request, wait_s(event.query))
            assert not isinstance(stream, Redirect), "no RTMP client follows a redirect"
        except StreamError as error:
            self._session.reject_play(_code(Action.PLAY, error), str(error))
            raise
        self._session.accept_play()
        self._send()
        await self._flushed.wait()
        if self._transport.is_closing():
            return
        log.info("%s plays %s", self._name, stream.key)
        rendition = stream.rendition(RTMP)
        self._player = Player(duplicate(self._transport), rendition, self.close, self._farewell)
        self._fanout.add(self._player)

    def _farewell(self) -> bytes:
        self._session.end_play("the stream has ended")
        return self._session.data_to_send()

    def _leave(self, reason: str) -> None:
        """Publish and play no more."""
        if publication := self._publication:
            self._publication = None
            self._intake.remove(self._fd)
            key = publication.lead.stream
            log.info("%s published %d messages of %s: %s", self._name, publication.leader.frames, key, reason)
            self._streams.unpublish(key, publication)
        if player := self._player:
            self._player = None
            self._fanout.remove(player, reason)


def _code(action: Action, error: StreamError) -> str:
    return CODES.get((action, type(error)), FAILED[action])
