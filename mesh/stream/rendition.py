"""Rendition: a stream in one wire format, made once for all the players who read it.

A player asks for the piece that begins at its offset; whoever asks for the same one gets the same bytes. Nothing is
kept beyond the log's head: pieces live until the log has grown, or until there are many.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from mesh.media import flv
from mesh.media.frame import Entry, Frame, Kind
from mesh.stream.log import START, StreamLog

NEVER = 1 << 64
"""Beyond every offset."""
TURN = 128 << 10
"""Payload bytes in one piece: what a player gets before the others have their turn."""
MANY = 64
"""Pieces that are kept: players far apart share none, and a log that has stalled is not copied from every offset."""


class Format(NamedTuple):
    """A wire format."""

    encode: Callable[[Frame, int], list[bytes]]
    """The bytes of a frame, in parts, stamped with a time in ms: its own, or a header's that of the frame it serves."""
    preamble: Callable[[bool, bool], bytes] = lambda audio, video: b""
    """What a new player gets first, of a stream that has audio, that has video."""
    directed: bool = True
    """Whether its players can be told, where it ends, at which node to go on."""


class Piece(NamedTuple):
    """Consecutive frames as bytes."""

    data: bytes
    end: int
    """The offset to ask for next."""
    ends: list[int]
    """Where each frame ends, in bytes: the only places where a player may be interrupted."""
    offsets: list[int]
    """The offset to ask for after each frame."""
    skipped: bool
    """Whether frames between the offset asked for and this piece are gone."""
    last: bool
    """Whether nothing comes after it yet."""

    def cut(self, sent: int) -> tuple[memoryview, int]:
        """The rest of the frame that `sent` bytes stopped in, and the offset after it."""
        frame = bisect_left(self.ends, sent)
        return memoryview(self.data)[sent : self.ends[frame]], self.offsets[frame]


class Rendition:
    """One log in one format."""

    def __init__(self, log: StreamLog, form: Format) -> None:
        self.log = log
        self._format = form
        self._pieces: dict[int, Piece | None] = {}
        self._head = START
        self._last = NEVER

    @property
    def head(self) -> int:
        """Where a player stands who has all of it."""
        return min(self.log.head, self._last)

    def end(self, offset: int) -> None:
        """Show nothing from this offset on."""
        self._last = offset
        self._pieces.clear()

    def piece(self, offset: int) -> Piece | None:
        """The piece at `offset`; None while there is nothing to read."""
        if self._head != self.log.head or len(self._pieces) == MANY:
            self._head = self.log.head
            self._pieces.clear()
        try:
            return self._pieces[offset]
        except KeyError:
            piece = self._pieces[offset] = self._make(offset)
            return piece

    def opening(self, place: Entry) -> bytes:
        """What a player that starts at a place gets before its frames."""
        kinds = {header.kind for header in place.headers} | self.log.kinds
        parts = [self._format.preamble(Kind.AUDIO in kinds, Kind.VIDEO in kinds)]
        for header in place.headers:
            parts += self._format.encode(header, 0 if header.kind == Kind.META else header.dts)
        return b"".join(parts)

    def forget(self) -> None:
        """Keep no piece: nobody reads."""
        self._pieces.clear()

    def _make(self, offset: int) -> Piece | None:
        span = self.log.read(offset, TURN)
        frames = span.frames if span.end <= self._last else [f for f in span.frames if f.offset < self._last]
        if not frames:
            return None
        parts: list[bytes] = []
        if offset == START:
            kinds = {header.kind for header in span.headers} | self.log.kinds
            parts.append(self._format.preamble(Kind.AUDIO in kinds, Kind.VIDEO in kinds))
        now = frames[0].dts
        for header in span.headers:
            # ffmpeg takes metadata with any other time for a stream of text.
            parts += self._format.encode(header, 0 if header.kind == Kind.META else now)
        size = sum(map(len, parts))
        ends, offsets = [], []
        for frame in frames:
            encoded = self._format.encode(frame, frame.dts)
            size += sum(map(len, encoded))
            parts += encoded
            ends.append(size)
            offsets.append(frame.offset + 1)
        skipped = span.start != offset and offset != START
        end = min(span.end, self._last)
        return Piece(b"".join(parts), end, ends, offsets, skipped, end >= self.head)


def flv_frame(frame: Frame, time_ms: int) -> list[bytes]:
    """A frame as an FLV tag."""
    size = len(frame.payload)
    return [flv.tag_header(frame.kind, time_ms, size), frame.payload, flv.back_pointer(size)]


def websocket_frame(frame: Frame, time_ms: int) -> list[bytes]:
    """A frame as an FLV tag in a binary WebSocket message (RFC 6455, 5.2), unmasked as a server's are."""
    return _message(flv_frame(frame, time_ms))


def websocket_preamble(audio: bool, video: bool) -> bytes:
    """FLV's file header as a message of its own."""
    return b"".join(_message([flv.header(audio, video)]))


def _message(parts: list[bytes]) -> list[bytes]:
    size = sum(map(len, parts))
    if size < 126:
        head = bytes((0x82, size))
    elif size < 1 << 16:
        head = b"\x82\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x82\x7f" + size.to_bytes(8, "big")
    return [head, *parts]


FLV = Format(flv_frame, flv.header)
WEBSOCKET_FLV = Format(websocket_frame, websocket_preamble)
