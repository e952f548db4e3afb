"""Meter: what others have sent of messages that they do not end.

libzmq keeps the parts of a message until the last one has come, and tells nobody meanwhile; subscriptions it keeps for
good. So whoever sends either without end could fill the memory. But the kernel counts what each connection has
received, and a message names the connection it came on: the difference is what libzmq keeps. Where that gets too much,
the host that sent most of it loses its connections, and gets no others for a while.
"""

import asyncio
import logging
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import zmq

from mesh.control.cause import Cause
from mesh.net.addresses import text
from mesh.net.sockets import Socket
from mesh.net.tick import next_tick

log = logging.getLogger("mesh.security")

EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_DISCONNECTED
TICK_S = 0.2
LATE_S = 0.05
"""A look that comes later than that blames nobody: messages may be waiting for us, not for their ends."""
GREETING = 1024
"""Bytes with which a connection begins."""
MOVING = 8
"""The unread part of a connection from which messages come counts this much less."""
BARRED_S = 60.0
RECEIVED = slice(128, 136)
"""Where `struct tcp_info` has `tcpi_bytes_received`."""
ABRUPTLY = struct.pack("ii", 1, 0)
"""What a linger is for a connection that ends with a RST, and what has come on it with it."""
CURVE = 33
"""What encryption adds to a frame."""


@dataclass(slots=True)
class Line:
    """One connection."""

    host: str
    port: int
    ended: int = 0
    """Bytes of the messages that came on it."""
    before: int = 0
    """The same, at the last look."""


@dataclass(slots=True)
class Account:
    """The connections of one socket, and how much they may have under way together."""

    socket: Socket
    most: int
    lines: dict[int, Line] = field(default_factory=dict)
    """By descriptor."""


class Meter:
    """All connections of a node's sockets to others."""

    def __init__(self, sealed: bool, note: Callable[[str, Cause], None]) -> None:
        """`sealed` says whether frames are encrypted; `note` gets the hosts that are cut off."""
        self._overhead = CURVE if sealed else 0
        self._note = note
        self._accounts: list[Account] = []
        self._lines: dict[int, Line] = {}
        self._barred: dict[str, float] = {}
        self._due = 0.0

    def watch(self, socket: Socket, most: int) -> None:
        """Let all who are connected to this socket have no more than `most` bytes under way."""
        account = Account(socket, most)
        socket.watch(EVENTS, lambda event, value, _: self._told(account, event, value))
        socket.overlong = lambda part: self._overlong(account, part)
        if not self._accounts:
            self._book()
        self._accounts.append(account)

    def count(self, frames: list[zmq.Frame]) -> None:
        """A message has come. One that makes no sense is not to be counted, and so is held against its sender."""
        if line := self._line(frames[-1]):
            line.ended += sum(map(self._size, frames))

    def bars(self, host: str) -> bool:
        """Whether a host gets no connection at the moment."""
        return asyncio.get_running_loop().time() < self._barred.get(host, 0.0)

    def _line(self, frame: zmq.Frame) -> Line | None:
        """The connection that a frame came on; None if that is closed."""
        descriptor = int(str(frame.get("__fd")))
        if descriptor not in self._lines:
            for account in self._accounts:
                account.socket.hear()  # that it was made, which came before the message did
        return self._lines.get(descriptor)

    def _overlong(self, account: Account, part: zmq.Frame) -> None:
        if line := self._line(part):
            self._cut_off(account, line.host, asyncio.get_running_loop().time())

    def _size(self, frame: zmq.Frame) -> int:
        """Bytes of a frame on the wire (ZMTP 3.1, "framing")."""
        size = len(frame) + self._overhead
        return size + (2 if size < 256 else 9)

    def _told(self, account: Account, event: int, descriptor: int) -> None:
        if line := account.lines.get(descriptor):
            self._forget(account, descriptor, line)
        if event != zmq.EVENT_DISCONNECTED:
            with suppress(OSError), _borrowed(descriptor) as connection:
                account.lines[descriptor] = self._lines[descriptor] = Line(*_peer(connection))

    def _forget(self, account: Account, descriptor: int, line: Line) -> None:
        del account.lines[descriptor]
        if self._lines.get(descriptor) is line:
            del self._lines[descriptor]

    def _book(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + next_tick(TICK_S)
        loop.call_at(self._due, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._barred = {host: until for host, until in self._barred.items() if now < until}
        for account in self._accounts:
            if account.socket.zmq.closed:
                for descriptor, line in [*account.lines.items()]:
                    self._forget(account, descriptor, line)
            else:
                self._judge(account, now)
        self._accounts = [account for account in self._accounts if not account.socket.zmq.closed]
        if self._accounts:
            self._book()

    def _judge(self, account: Account, now: float) -> None:
        owed: Counter[str] = Counter()
        for descriptor, line in [*account.lines.items()]:
            try:
                waiting = max(0, _received(descriptor, line) - GREETING - line.ended)
            except OSError:
                self._forget(account, descriptor, line)  # libzmq does not tell of those that this node closes
                continue
            moves = line.ended != line.before or now > self._due + LATE_S
            owed[line.host] += waiting // MOVING if moves else waiting
            line.before = line.ended
        while owed.total() > account.most:
            [(host, _)] = owed.most_common(1)
            self._cut_off(account, host, now)
            del owed[host]

    def _cut_off(self, account: Account, host: str, now: float) -> None:
        self._note(host, Cause.ENDLESS)
        self._barred[host] = now + BARRED_S
        for descriptor, line in account.lines.items():
            if line.host == host:
                with suppress(OSError), _borrowed(descriptor) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """One of libzmq's connections, for a moment. Raises `OSError` if there is none."""
    connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=descriptor)  # has room for IPv4 as well
    try:
        yield connection
    finally:
        connection.detach()


def _peer(connection: socket.socket) -> tuple[str, int]:
    """Host and port at the other end. Raises `OSError`."""
    try:
        host, port, *_ = connection.getpeername()
        return text(host), port
    except ValueError:
        raise OSError("no connection of libzmq") from None


def _received(descriptor: int, line: Line) -> int:
    """How many bytes have come on a connection. Raises `OSError` if its descriptor is another's by now."""
    with _borrowed(descriptor) as connection:
        if _peer(connection) != (line.host, line.port):
            raise OSError("another connection")
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RECEIVED.stop)
        return int.from_bytes(info[RECEIVED], sys.byteorder)
