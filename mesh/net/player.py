"""Player: one client's socket, and where it is in a stream; the fan-out serves it."""

import fcntl
import socket
import sys
import termios
from collections.abc import Callable

from mesh.stream.log import START
from mesh.stream.rendition import Rendition


class Row:
    """Players who are level, at one offset."""

    __slots__ = ("offset", "players")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.players: dict[Callable[[bytes], int], Player] = {}
        """By the `send` of their sockets, so that a pass touches nothing else of them."""


class Player:
    """One client's socket, and where it is in the stream."""

    __slots__ = (
        "_offset", "behind", "control", "ended", "farewell", "moved", "on_close", "rendition", "rest", "row",
        "send", "skips", "sock", "untaken",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        rendition: Rendition,
        on_close: Callable[[str], None],
        farewell: Callable[[], bytes] = bytes,
    ) -> None:
        """Takes over `sock`, which must be non-blocking.

        `on_close` hears why it was closed, once; `farewell` gives the bytes that end the stream properly.
        """
        self.sock = sock
        self.send = sock.send
        self.rendition = rendition
        self.on_close = on_close
        self.farewell: Callable[[], bytes] | None = farewell
        self.row: Row | None = None
        self.behind = False
        self.rest: memoryview | None = None
        self.control = b""
        self.ended = False
        self.moved = 0.0
        self.untaken = 0
        """Bytes that the client's kernel had not taken at the last look."""
        self.skips = 0
        self._offset = START

    @property
    def offset(self) -> int:
        """What it gets next."""
        return self.row.offset if self.row else self._offset

    @offset.setter
    def offset(self, offset: int) -> None:
        assert not self.row, "who stands in a row moves with it"
        self._offset = offset

    def takes(self) -> bool:
        """Whether the client took any byte since the last look, of one to whom nothing was sent meanwhile.

        The kernel wants more only when a third of its buffer is free, megabytes perhaps: a minute of a thin link.
        """
        before = self.untaken
        self.untaken = int.from_bytes(fcntl.ioctl(self.sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return self.untaken < before
