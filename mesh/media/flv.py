"""FLV: tags out of bytes, and bytes out of tags.

Adobe Flash Video File Format Specification 10.1, annex E; Enhanced RTMP changes only what is inside a tag's body.
"""

from collections.abc import Iterator
from typing import NamedTuple

from mesh.errors import MediaError
from mesh.media.frame import Kind

HEADER_SIZE = 9
TAG_HEADER_SIZE = 11
BACK_POINTER_SIZE = 4
MAX_HEADER_SIZE = 1024
MAX_BODY = 16 << 20
"""Bytes a tag's body may have by default; its 24-bit length allows as much."""

KINDS = {kind.value: kind for kind in Kind}


class Tag(NamedTuple):
    """One FLV tag."""

    kind: Kind
    timestamp: int
    """Decoding time in ms, 32 bits, as written."""
    payload: bytes


def header(audio: bool, video: bool) -> bytes:
    """The file header and the first back pointer; players wait for what it promises, so it must be true."""
    return b"FLV\x01" + bytes([audio << 2 | video]) + b"\0\0\0\x09\0\0\0\0"


def tag_header(kind: int, timestamp: int, size: int) -> bytes:
    """The 11 bytes before a body of `size` bytes."""
    low, high = timestamp & 0xFFFFFF, timestamp >> 24 & 0xFF
    return (kind << 80 | size << 56 | low << 32 | high << 24).to_bytes(TAG_HEADER_SIZE, "big")


def back_pointer(size: int) -> bytes:
    """The 4 bytes after a body of `size` bytes."""
    return (TAG_HEADER_SIZE + size).to_bytes(BACK_POINTER_SIZE, "big")


def encode(tag: Tag) -> bytes:
    """A whole tag, its back pointer included."""
    size = len(tag.payload)
    return tag_header(tag.kind, tag.timestamp, size) + tag.payload + back_pointer(size)


class Reader:
    """Tags out of a stream of bytes, which may be cut anywhere."""

    def __init__(self, max_body: int = MAX_BODY) -> None:
        self._max_body = max_body
        self._buffer = bytearray()
        self._read = 0
        self._begun = False

    def feed(self, data: bytes) -> Iterator[Tag]:
        """The tags that `data` completes. Raises `MediaError` at the first byte that is not FLV."""
        self._buffer += data
        at = 0
        try:
            if not self._begun:
                at = self._file_header()
            while self._begun and (tag := self._tag(at)):
                at += TAG_HEADER_SIZE + len(tag.payload) + BACK_POINTER_SIZE
                yield tag
        finally:
            del self._buffer[:at]
            self._read += at

    def _file_header(self) -> int:
        buffer = self._buffer
        if not b"FLV\x01".startswith(buffer[:4]):
            raise MediaError(f"FLV begins with {bytes(buffer[:4]).hex(' ')}, expected 46 4c 56 01")
        if len(buffer) < HEADER_SIZE:
            return 0
        size = int.from_bytes(buffer[5:9], "big")
        if not HEADER_SIZE <= size <= MAX_HEADER_SIZE:
            raise MediaError(f"FLV header of {size} bytes, expected {HEADER_SIZE} to {MAX_HEADER_SIZE}")
        if len(buffer) < size + BACK_POINTER_SIZE:
            return 0
        self._begun = True
        return size + BACK_POINTER_SIZE

    def _tag(self, at: int) -> Tag | None:
        buffer = self._buffer
        body = at + TAG_HEADER_SIZE
        if len(buffer) < body:
            return None
        # The back pointer of the tag before is not checked: several muxers write 0 there.
        kind = KINDS.get(buffer[at])
        if kind is None:
            raise MediaError(f"FLV tag of type {buffer[at]} at byte {self._read + at}, expected 8, 9 or 18")
        size = buffer[at + 1] << 16 | buffer[at + 2] << 8 | buffer[at + 3]
        if size > self._max_body:
            raise MediaError(f"FLV tag of {size} bytes at byte {self._read + at}, expected at most {self._max_body}")
        end = body + size
        if len(buffer) < end + BACK_POINTER_SIZE:
            return None
        timestamp = buffer[at + 7] << 24 | buffer[at + 4] << 16 | buffer[at + 5] << 8 | buffer[at + 6]
        return Tag(kind, timestamp, bytes(buffer[body:end]))
