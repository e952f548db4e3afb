"""Player: joins a stream, and then takes its bytes as cheaply as a kernel allows.

Up to its first keyframe a player reads and understands. Then most only count: the kernel drops what has come, without
copying it (MSG_TRUNC, tcp(7)); such a player answers no ping, and sees no end of the stream but a closed connection.
Probes go on reading, and find out from stamped pictures how long each was on its way. Lazy players read at a rate of
their own, or never again.
"""

import socket
from collections.abc import Iterable
from functools import partial
from time import monotonic

from mesh.bench.clip import stamp
from mesh.bench.connection import Connection
from mesh.bench.loop import Loop
from mesh.bench.wire import PLAY
from mesh.media import codec
from mesh.media.flv import Tag
from mesh.media.frame import Kind

DISCARDED = bytearray(4 << 20)
"""Is never written to: its length tells how many bytes may be dropped at once."""

SIP_S = 0.1
"""How often a lazy player reads."""
LAZY_BUFFER = 64 << 10
"""What the kernel may hold for a lazy player, instead of the megabytes that it would grow to."""


class Player(Connection):
    """One player."""

    def __init__(self, loop: Loop, url: str, probe: bool = False, lazy_kbps: int | None = None) -> None:
        self.probe = probe
        self._lazy_kbps = lazy_kbps
        self.first_byte_at = 0.0
        """Of the stream: headers of any kind count, a handshake does not."""
        self.keyframe_at = 0.0
        self.measure()
        super().__init__(loop, url, PLAY[url.partition(":")[0]])

    def measure(self) -> None:
        """Begin to count from here."""
        self.bytes = 0
        self.arrived_at = monotonic()
        self.gap = 0.0
        """The longest time between two arrivals."""
        self.delays: list[float] = []
        """Of stamped pictures."""

    def _read(self) -> None:
        super()._read()
        if not self.keyframe_at or self.probe or self.error or self._unsent:
            return
        self._take = self._socket.recv_into
        if self._lazy_kbps is None:
            self._loop.watch(self._socket.fileno(), False, self._discard)
        else:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LAZY_BUFFER)
            self._loop.forget(self._socket.fileno())
            self._sip(self._lazy_kbps)

    def _sip(self, kbps: int) -> None:
        """Take as much as may be taken by now, and come back."""
        if size := int(kbps * 125 * SIP_S):
            self._discard(size)
        if not self.error:
            self._loop.at(monotonic() + SIP_S, partial(self._sip, kbps))

    def _received(self, tags: Iterable[Tag] | None) -> None:
        for tag in tags or ():
            now = monotonic()
            self.first_byte_at = self.first_byte_at or now
            self._count(len(tag.payload), now)
            if tag.kind != Kind.VIDEO:
                continue
            if not self.keyframe_at and codec.look(tag.kind, tag.payload).keyframe:
                self.keyframe_at = now
            elif self.probe and (sent_at := stamp(tag.payload)):
                self.delays.append(now - sent_at)

    def _discard(self, limit: int = 0) -> None:
        try:
            size = self._take(DISCARDED, limit, socket.MSG_TRUNC)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(error.strerror or str(error))
            return
        if not size:
            self.close("closed by the server")
        else:
            self._count(size, monotonic())

    def _count(self, size: int, now: float) -> None:
        self.bytes += size
        if now - self.arrived_at > self.gap:
            self.gap = now - self.arrived_at
        self.arrived_at = now
