"""Publisher: sends a clip in real time; what many send is encoded once."""

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic
from typing import Any

from mesh.bench.clip import Clip, stamped
from mesh.bench.connection import Connection
from mesh.bench.loop import Loop
from mesh.bench.wire import PUBLISH, PublishWire

KEPT = 4096
"""Encoded tags that are kept for publishers who come to them later."""
LATE_BYTES = 8 << 20
"""A publisher whose server is behind by this much gives up."""


class Feed:
    """A clip as the bytes of one protocol."""

    def __init__(self, clip: Clip, stamps: bool) -> None:
        self.clip = clip
        self._stamps = stamps
        self._encoded: OrderedDict[int, bytes] = OrderedDict()

    def encode(self, wire: PublishWire, number: int) -> bytes:
        """A tag's bytes; a stamped one's are of this moment, and nobody else's."""
        if self._stamps:
            tag = self.clip.tag(number)
            return wire.encode(tag._replace(payload=stamped(tag.payload, monotonic())))
        if number not in self._encoded:
            self._encoded[number] = wire.encode(self.clip.tag(number))
            if len(self._encoded) > KEPT:
                self._encoded.popitem(last=False)
        return self._encoded[number]


class Publisher(Connection):
    """One publisher."""

    def __init__(self, loop: Loop, url: str, feed: Feed, chunk_size: int) -> None:
        self.accepted_at = 0.0
        self.behind = 0.0
        """How long the server has kept it from sending, at most."""
        self._feed = feed
        self._number = 0
        self._wire: PublishWire
        self.measure()
        super().__init__(loop, url, lambda url: PUBLISH[url.partition(":")[0]](url, chunk_size))

    def measure(self) -> None:
        """Begin to count from here."""
        self.bytes = 0
        self.behind = 0.0

    def _received(self, tags: Iterable[Any] | None) -> None:
        if self._wire.ready and not self.accepted_at:
            self.accepted_at = self._began = monotonic()
            self._write(self._wire.data_to_send())
            for tag in self._feed.clip.headers:
                self._write(self._wire.encode(tag))
            self._send()

    def _send(self) -> None:
        """Send everything that is due, and come back for the next."""
        if self.error:
            return
        now, clip = monotonic(), self._feed.clip
        while (due := self._began + clip.tag(self._number).timestamp / 1000) <= now:
            data = self._feed.encode(self._wire, self._number)
            self._number += 1
            self.bytes += len(data)
            try:
                self._write(data)
            except OSError as error:
                self.close(error.strerror or str(error))
                return
        if len(self._unsent) > LATE_BYTES:
            self.close(f"took {LATE_BYTES >> 20} MiB too late")
        self._loop.at(due, self._send)
