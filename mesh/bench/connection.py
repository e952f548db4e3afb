"""Connection: one client's socket, from its connect on, wherever the server sends it."""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any, Protocol
from urllib.parse import urlsplit

from mesh.bench.loop import Loop
from mesh.bench.wire import PORTS, Redirected, Refused
from mesh.errors import ProtocolError

READ = 256 << 10
HOPS = 5
"""Redirects that a client follows."""


class Wire(Protocol):
    """What player and publisher have in common."""

    def data_to_send(self) -> bytes:
        """Takes what is to be written."""

    def receive(self, data: bytes) -> Any:
        """What came. Raises `Redirected`, `Refused` or `ProtocolError`."""


@cache
def resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The first address of a name; asked once."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, address


class Connection:
    """Connects, writes what there is to write, and reads."""

    def __init__(self, loop: Loop, url: str, wire: Callable[[str], Wire]) -> None:
        self.began_at = monotonic()
        self.redirects = 0
        self.error = ""
        """Why it is closed."""
        self._loop = loop
        self._make_wire = wire
        self._unsent = b""
        self._open(url)

    def close(self, reason: str) -> None:
        """Hang up, for a reason to be counted. A second time is no error."""
        if not self.error:
            self.error = reason
            self._hang_up()

    def _open(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            self._wire = self._make_wire(url)
            family, address = resolve(parts.hostname or "", parts.port or PORTS[parts.scheme])
            self._socket = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            with suppress(BlockingIOError):
                self._socket.connect(address)
        except OSError as error:
            self.error = error.strerror or str(error)
            return
        except (ValueError, LookupError):  # where the server sends it
            self.error = f"no address to play or publish: {url[:100]}"
            return
        self._unsent = self._wire.data_to_send()
        self._loop.watch(self._socket.fileno(), True, self._ready)

    def _hang_up(self) -> None:
        self._loop.forget(self._socket.fileno())
        self._socket.close()

    def _ready(self) -> None:
        """The socket can be read, or written again."""
        try:
            if self._unsent:
                self._write(b"")
            self._read()
        except BlockingIOError:
            if not self._unsent:
                self._loop.watch(self._socket.fileno(), False, self._ready)
        except OSError as error:
            self.close(error.strerror or str(error))

    def _read(self) -> None:
        data = self._socket.recv(READ)
        if not data:
            self.close("closed by the server")
            return
        try:
            self._received(self._wire.receive(data))
            self._write(self._wire.data_to_send())
        except Redirected as elsewhere:
            self._hang_up()
            self.redirects += 1
            if self.redirects > HOPS:
                self.error = f"redirected more than {HOPS} times"
            else:
                self._open(str(elsewhere))
        except (Refused, ProtocolError) as refusal:
            self.close(str(refusal))

    def _received(self, tags: Iterable[Any] | None) -> None:
        """What the wire made of it."""
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        """Send, or keep what the socket does not take."""
        if self.error or not (data or self._unsent):
            return
        unsent = self._unsent + data if self._unsent else data
        try:
            self._unsent = unsent[self._socket.send(unsent) :]
        except BlockingIOError:
            self._unsent = unsent
        if self._unsent:
            self._loop.watch(self._socket.fileno(), True, self._ready)
