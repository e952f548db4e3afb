"""Pushes: the connections on which media goes out, one PUSH for each follower's PULL.

One is opened for the first message and closed some seconds after its follower's last link. With IMMEDIATE, a message
is taken by a connection that stands, or not at all: by default 999 are accepted after the peer died, and its successor
receives them.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

import zmq

from mesh.net.meter import Meter
from mesh.net.security import Options
from mesh.net.sockets import WATCHFUL, Socket
from mesh.net.tick import next_tick

log = logging.getLogger("mesh.relay")

IDLE_S = 5.0
TIDY_S = 1.0
ZERO_COPY = 64 << 10
"""Below this, copying a message is cheaper than keeping account of it."""
SILENT = 1 << 16
"""Bytes that followers may send, where nothing is expected of them."""
CONNECTION: dict[int, int | bytes] = {
    zmq.IPV6: 1,
    zmq.HANDSHAKE_IVL: 2000,
    **WATCHFUL,
}
PUSH = CONNECTION | {zmq.IMMEDIATE: 1, zmq.SNDHWM: 32, zmq.RECONNECT_IVL: 50, zmq.CONNECT_TIMEOUT: 2000}
PULL = CONNECTION | {zmq.MAXMSGSIZE: (1 << 24) + 1024}
"""No part may be longer than RTMP's longest message; CURVE's own bytes count too."""


class Push(NamedTuple):
    """One connection, and what it was made with."""

    endpoint: str
    options: Options
    socket: Socket


class Pushes:
    """All of them, by follower."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        meter: Meter,
        endpoint: Callable[[str], str | None],
        options: Callable[[str], Options],
        serves: Callable[[str], bool],
    ) -> None:
        """`endpoint` is where a follower's PULL is bound, `options` what to show there, `serves` if it has a link."""
        self._context = context
        self._meter = meter
        self._endpoint = endpoint
        self._options = options
        self._serves = serves
        self._sockets: dict[str, Push] = {}
        self._idle_since: dict[str, float] = {}
        self._tidying: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._sockets)

    def send(self, peer: str, parts: list[bytes], size: int) -> bool:
        """Send one message, of `size` bytes in all; False if nothing takes it now."""
        if peer not in self._sockets and not self._connect(peer):
            return False
        taken = self._sockets[peer].socket.send(parts, copy=size < ZERO_COPY)
        if not taken:
            self.check(peer)
        return taken

    def check(self, peer: str) -> None:
        """Let go of a connection to where the peer is no more, or which it would not take any more."""
        if peer in self._sockets and self._sockets[peer][:2] != (self._endpoint(peer), self._options(peer)):
            self._close(peer)

    def tidy(self) -> None:
        """Close, again and again, those that have not been needed for a while."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for peer in list(self._sockets):
            if self._serves(peer):
                self._idle_since.pop(peer, None)
            elif now - self._idle_since.setdefault(peer, now) >= IDLE_S:
                self._close(peer)
        self._tidying = loop.call_later(next_tick(TIDY_S), self.tidy)

    def close(self) -> None:
        """Close all."""
        if self._tidying:
            self._tidying.cancel()
        for peer in list(self._sockets):
            self._close(peer)

    def _connect(self, peer: str) -> bool:
        endpoint = self._endpoint(peer)
        if endpoint is None:
            return False
        options = self._options(peer)
        socket = Socket(self._context, zmq.PUSH, options=PUSH | options)
        self._meter.watch(socket, SILENT)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            log.warning("%s of %s: %s", endpoint, peer, error)
            socket.close()
            return False
        self._sockets[peer] = Push(endpoint, options, socket)
        return True

    def _close(self, peer: str) -> None:
        self._sockets.pop(peer).socket.close()
        self._idle_since.pop(peer, None)
