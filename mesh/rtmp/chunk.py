"""Chunks: how messages are cut to share one connection, read and written.

The reader works in place on what it is fed. Between two calls it keeps a chunk header that is not yet whole, and the
messages of which some bytes have come; a payload that arrives whole in one chunk is copied once.

Sections in comments are those of Adobe's RTMP 1.0.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mesh.errors import RTMPError
from mesh.rtmp.message import WRAP, Message, Type, read_uint32, uint32

DEFAULT_SIZE = 128
"""The chunk size of either direction until Set Chunk Size says otherwise (5.4.1)."""
SIZE = 65536
"""The chunk size that we announce: nearly every frame travels whole, behind one header."""
EXTENDED = 0xFFFFFF
"""A timestamp field of this value means that the extended timestamp follows (5.3.1.3)."""

HEADER_SIZES = (11, 7, 3)
"""Bytes of the message header in chunks of type 0, 1 and 2 (5.3.1.2)."""
CONTROL_STREAM = 2
"""The chunk stream of the connection's own affairs (5.4)."""
CHUNK_STREAMS: dict[int, int] = {Type.COMMAND: 3, Type.AUDIO: 4, Type.DATA: 5, Type.VIDEO: 6}
"""The chunk streams on which we send everything else."""
OBEYED = frozenset({Type.SET_CHUNK_SIZE, Type.ABORT})
"""The messages that speak of the chunks themselves."""

_TIME = struct.Struct(">HB")
_HEADER = struct.Struct(">HBHBB")
_STREAM_ID = struct.Struct("<7xI")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may make us hold."""

    message: int = 16 << 20
    """Bytes of one message."""
    partial: int = 24 << 20
    """Bytes of all the messages together that have not come whole."""
    chunk_streams: int = 64


LIMITS = Limits()


class ChunkStream:
    """What the reader knows of one chunk stream: its last header, and the message it is in the middle of."""

    __slots__ = ("body", "extended", "field", "further", "kind", "length", "stream_id", "timestamp")

    def __init__(self, csid: int) -> None:
        self.further = basic_header(3, csid)
        """What each chunk of a message begins with, after the first."""
        self.field = self.timestamp = self.length = self.kind = self.stream_id = 0
        self.extended = False
        self.body = bytearray()


class ChunkReader:
    """Puts messages together. Set Chunk Size and Abort act here and are not passed on."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.chunk_size = DEFAULT_SIZE
        self._streams: dict[int, ChunkStream] = {}
        self._rest = b""  # a chunk header that is not yet whole
        self._current: ChunkStream | None = None  # whose chunk is not yet whole, and
        self._left = 0  # how many bytes of it are to come
        self._partial = 0

    def receive_data(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """The messages that these bytes complete; exhaust it before the next call."""
        view = memoryview(self._rest + data if self._rest else data)
        self._rest = b""
        at = 0
        while at < len(view):
            payload, stream = None, self._current
            if stream is None:
                header = self._read_header(view, at)
                if header is None:
                    self._rest = bytes(view[at:])
                    return
                stream, at = header
                if not stream.body:
                    payload, at = self._take_whole(stream, view, at)
            if payload is None:
                payload, at = self._take_part(stream, view, at)
                if payload is None:
                    continue
            message = Message(stream.kind, stream.timestamp, stream.stream_id, payload)
            if message.kind in OBEYED:
                self._obey(message)
            else:
                yield message

    def _take_whole(self, stream: ChunkStream, view: memoryview, at: int) -> tuple[bytes | None, int]:
        """The payload that begins at `at`, if all its chunks are here and in a row; and where the next chunk begins."""
        further = max(0, stream.length - 1) // self.chunk_size
        end = at + stream.length + further
        if end > len(view):
            return None, at
        if not further:
            return bytes(view[at:end]), end
        step = self.chunk_size + 1  # from one header of type 3, a single byte, to the next: compare all, cut all
        if stream.extended or bytes(view[at + step - 1 : end : step]) != stream.further * further:
            return None, at
        body = bytearray(view[at:end])
        del body[step - 1 :: step]
        return bytes(body), end

    def _take_part(self, stream: ChunkStream, view: memoryview, at: int) -> tuple[bytes | None, int]:
        """More of a payload that comes in pieces, once it is complete; and where to go on."""
        if self._current is None:
            self._left = min(self.chunk_size, stream.length - len(stream.body))
        piece = view[at : at + self._left]
        stream.body += piece
        self._left -= len(piece)
        self._current = stream if self._left else None
        self._partial += len(piece)
        if self._partial > self.limits.partial:
            raise RTMPError(f"{self._partial} bytes of messages begun, expected no more than {self.limits.partial}")
        if len(stream.body) < stream.length:
            return None, at + len(piece)
        payload = bytes(stream.body)
        self._forget(stream)
        return payload, at + len(piece)

    def _forget(self, stream: ChunkStream) -> None:
        self._partial -= len(stream.body)
        stream.body.clear()

    def _obey(self, message: Message) -> None:
        value = read_uint32(message)
        if message.kind == Type.ABORT:
            if value in self._streams:
                self._forget(self._streams[value])
        elif 0 < value < 1 << 31:
            self.chunk_size = value
        else:
            raise RTMPError(f"chunk size of {value} bytes, expected 1 to {(1 << 31) - 1}")

    def _read_header(self, view: memoryview, at: int) -> tuple[ChunkStream, int] | None:
        """The chunk stream of the chunk at `at`, and where its payload begins; None while its header is not whole."""
        form, csid = view[at] >> 6, view[at] & 0x3F
        at += 1
        if csid < 2:  # then one or two more bytes have it (5.3.1.1)
            at += csid + 1
            if at > len(view):
                return None
            csid = 64 + int.from_bytes(view[at - csid - 1 : at], "little")
        stream = self._streams.get(csid)
        if form == 3:
            if stream is None:
                raise RTMPError(f"chunk of type 3 on chunk stream {csid}, which has no message before")
            return self._repeat_header(stream, view, at)
        end = at + HEADER_SIZES[form]
        if end > len(view):
            return None
        if form == 2:
            high, low = _TIME.unpack_from(view, at)
        else:
            high, low, long, short, kind = _HEADER.unpack_from(view, at)
        field = high << 8 | low
        extended = field == EXTENDED
        if extended:
            end += 4
            if end > len(view):
                return None
            field = int.from_bytes(view[end - 4 : end], "big")
        if stream is None:
            stream = self._open(csid, form)
        elif stream.body:
            raise RTMPError(
                f"chunk of type {form} on chunk stream {csid} after {len(stream.body)} bytes of a message of "
                f"{stream.length}, expected type 3"
            )
        stream.field, stream.extended = field, extended
        stream.timestamp = (stream.timestamp + field) % WRAP if form else field
        if form < 2:
            stream.length, stream.kind = long << 8 | short, kind
            if stream.length > self.limits.message:
                raise RTMPError(f"message of {stream.length} bytes, expected no more than {self.limits.message}")
        if form == 0:
            (stream.stream_id,) = _STREAM_ID.unpack_from(view, at)
        return stream, end

    def _repeat_header(self, stream: ChunkStream, view: memoryview, at: int) -> tuple[ChunkStream, int] | None:
        """A chunk of type 3: it goes on with the message, or, after its end, begins one just like it."""
        if stream.extended:
            # The extended timestamp is repeated here, says 5.3.1.3; some writers leave it out. What stands here tells.
            seen = bytes(view[at : at + 4])
            if uint32(stream.field).startswith(seen) or uint32(stream.timestamp).startswith(seen):
                if len(seen) < 4:
                    return None
                at += 4
        if not stream.body:
            stream.timestamp = (stream.timestamp + stream.field) % WRAP
        return stream, at

    def _open(self, csid: int, form: int) -> ChunkStream:
        # librtmp begins with type 1 where it answers a ping; type 2 leaves length and kind unknown.
        if form == 2:
            raise RTMPError(f"chunk of type 2 on chunk stream {csid}, which has no message before")
        if len(self._streams) >= self.limits.chunk_streams:
            raise RTMPError(f"chunk stream {csid} is one more than {self.limits.chunk_streams}")
        self._streams[csid] = stream = ChunkStream(csid)
        return stream


def headers(kind: int, timestamp: int, stream_id: int, length: int, csid: int) -> tuple[bytes, bytes]:
    """The header of a message's first chunk, which is of type 0, and of each one after it, of type 3."""
    timestamp %= WRAP
    field, extended = (timestamp, b"") if timestamp < EXTENDED else (EXTENDED, uint32(timestamp))
    first = basic_header(0, csid) + _HEADER.pack(field >> 8, field & 0xFF, length >> 8, length & 0xFF, kind)
    return first + stream_id.to_bytes(4, "little") + extended, basic_header(3, csid) + extended


def basic_header(form: int, csid: int) -> bytes:
    """Type and chunk stream, in the fewest bytes that hold them (5.3.1.1)."""
    if csid < 64:
        return bytes([form << 6 | csid])
    if csid < 320:
        return bytes([form << 6, csid - 64])
    return bytes([form << 6 | 1]) + (csid - 64).to_bytes(2, "little")


def parts(kind: int, timestamp: int, stream_id: int, payload: bytes, chunk_size: int = SIZE) -> list[bytes]:
    """The chunks of a message, for who joins them with others; a payload that fits into one is not copied."""
    first, further = headers(kind, timestamp, stream_id, len(payload), CHUNK_STREAMS.get(kind, CONTROL_STREAM))
    if len(payload) <= chunk_size:
        return [first, payload]
    return [first, further.join([payload[at : at + chunk_size] for at in range(0, len(payload), chunk_size)])]


def encode(kind: int, timestamp: int, stream_id: int, payload: bytes, chunk_size: int = SIZE) -> bytes:
    """The chunks of a message."""
    return b"".join(parts(kind, timestamp, stream_id, payload, chunk_size))
