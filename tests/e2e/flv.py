"""FLV tags, read and written once more: the proof does not lean on the code that it proves."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

AUDIO, VIDEO, META = 8, 9, 18
HEADER = b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"


class Tag(NamedTuple):
    """One FLV tag, which is also one RTMP message."""

    kind: int
    timestamp: int
    payload: bytes

    @property
    def digest(self) -> str:
        """What identifies the payload in a report."""
        return hashlib.blake2s(self.payload, digest_size=8).hexdigest()

    @property
    def packet(self) -> int:
        """AVCPacketType, AACPacketType or Enhanced RTMP's in their place: 0 is a sequence header, 2 the end."""
        first, enhanced = self.payload[0], {VIDEO: self.payload[0] >= 0x80, AUDIO: self.payload[0] >> 4 == 9}
        return first & 0x0F if enhanced[self.kind] else self.payload[1]

    @property
    def config(self) -> bool:
        """Whether it is metadata or a sequence header."""
        return self.kind == META or self.packet == 0

    @property
    def end(self) -> bool:
        """Whether it is a video's end of sequence, which says nothing to a player of a live stream."""
        return self.kind == VIDEO and self.packet == 2

    @property
    def keyframe(self) -> bool:
        """Whether a video decoder can start here."""
        return self.kind == VIDEO and not self.config and self.payload[0] >> 4 & 7 == 1

    @property
    def cts(self) -> int:
        """Presentation time minus decoding time, in ms."""
        return int.from_bytes(self.payload[2:5], "big", signed=True) if self.kind == VIDEO else 0

    def encode(self) -> bytes:
        """The tag and the size that follows it (FLV 10.1, annex E.4.1)."""
        size, time = len(self.payload).to_bytes(3, "big"), self.timestamp & 0xFFFFFFFF
        head = bytes([self.kind]) + size + (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24]) + b"\0\0\0"
        return head + self.payload + (11 + len(self.payload)).to_bytes(4, "big")


class Reader:
    """FLV bytes in, tags out. Raises `ValueError` where the sizes do not agree."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._greeted = False
        self.audio = self.video = False  # what the header promises

    def feed(self, data: bytes) -> list[Tag]:
        """The tags that these bytes complete."""
        self._buffer += data
        if not self._greeted:
            if len(self._buffer) < len(HEADER):
                return []
            if self._buffer[:4] != HEADER[:4] or self._buffer[5:13] != HEADER[5:]:
                raise ValueError(f"FLV header is {bytes(self._buffer[:13]).hex()}")
            self.audio, self.video = bool(self._buffer[4] & 4), bool(self._buffer[4] & 1)
            del self._buffer[: len(HEADER)]
            self._greeted = True
        return list(self._tags())

    def _tags(self) -> Iterable[Tag]:
        while len(self._buffer) >= 11:
            head, size = self._buffer[:11], int.from_bytes(self._buffer[1:4], "big")
            if len(self._buffer) < 15 + size:
                return
            if int.from_bytes(self._buffer[11 + size : 15 + size], "big") != 11 + size:
                raise ValueError(
                    f"tag of {size} bytes is followed by {bytes(self._buffer[11 + size : 15 + size]).hex()}"
                )
            payload = bytes(self._buffer[11 : 11 + size])
            del self._buffer[: 15 + size]
            yield Tag(head[0], int.from_bytes(head[4:7], "big") | head[7] << 24, payload)
