"""Clip: what a publisher sends, over and over: an FLV file, or noise of a chosen rate.

A publisher may stamp each picture with the time it was sent: as SEI user data, which no server touches and every
decoder skips (H.264, D.1.7). A player on the same machine reads from it how long the picture was on its way.
"""

from collections.abc import Iterable
from random import Random

from mesh.media import codec, flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind

AVC_HEADER = bytes.fromhex(
    "1700000000"  # keyframe of AVC, sequence header
    "0164000dffe1" "0019" "6764000dacd94141fb011000000300100000030320f1429960"  # SPS: High, 320x240, 25 frames/s
    "01" "0004" "68ef8fcb" "fdf8f800"  # PPS
)  # fmt: skip
AAC_HEADER = bytes.fromhex("af001190")
"""AAC-LC, 48 kHz, two channels."""
FPS, SOUND_MS = 30, 64 / 3
KEYFRAME_SIZE = 4
"""How many times larger than other pictures."""
SOUND_BYTES = 256
LOOP_MS = 8000
"""The shortest in which whole GOPs and whole AAC frames come out even."""
PICTURE_AT = 5
"""Bytes before the first NAL unit of an AVC picture in FLV."""
MARK = b"mediamesh-bench:"
"""The UUID of the user data; 16 digits of nanoseconds follow, in hexadecimal: text needs no emulation prevention."""
SEI = b"\x06\x05\x20" + MARK
STAMP_AT = PICTURE_AT + 4 + len(SEI)


class Clip:
    """Tags that are due at certain times, without end."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        """`tags` are in the order of their times. Raises `ValueError` if there is nothing to loop."""
        tags = list(tags)
        self.headers = [tag for tag in tags if codec.look(tag.kind, tag.payload).config]
        """What is sent once, in the beginning."""
        self.tags = [tag for tag in tags if not codec.look(tag.kind, tag.payload).config]
        if len(self.tags) < 2:
            raise ValueError(f"{len(self.tags)} frames, expected 2 or more")
        first, last = self.tags[0].timestamp, self.tags[-1].timestamp
        self._first = first
        self._length = last - first + max(1, round((last - first) / (len(self.tags) - 1)))

    def tag(self, number: int) -> Tag:
        """The tag of this number, counted from the very beginning, with its time in ms from there."""
        loop, place = divmod(number, len(self.tags))
        tag = self.tags[place]
        return tag._replace(timestamp=tag.timestamp - self._first + loop * self._length)

    @property
    def bps(self) -> float:
        """Its rate, in bits per second."""
        return sum(len(tag.payload) for tag in self.tags) * 8000 / self._length


def read(path: str) -> Clip:
    """An FLV file. Raises `OSError`, `MediaError` or `ValueError`."""
    with open(path, "rb") as file:
        return Clip(flv.Reader().feed(file.read()))


def noise(kbps: int, fps: int = FPS, sound: bool = True, seed: int = 1) -> Clip:
    """Pictures and sound in size and order, without meaning: a keyframe each second, of four times the others' size."""
    random = Random(seed)
    sounds = int(LOOP_MS / SOUND_MS) if sound else 0
    seconds = LOOP_MS // 1000
    bytes_left = kbps * LOOP_MS / 8 - sounds * SOUND_BYTES
    size = max(64, round(bytes_left / seconds / (fps + KEYFRAME_SIZE - 1)))

    def picture(number: int) -> Tag:
        key = number % fps == 0
        unit = (b"\x65" if key else b"\x41") + random.randbytes(size * (KEYFRAME_SIZE if key else 1))
        head = b"\x17\x01\0\0\0" if key else b"\x27\x01\0\0\0"
        return Tag(Kind.VIDEO, number * 1000 // fps, head + len(unit).to_bytes(4, "big") + unit)

    def tone(number: int) -> Tag:
        return Tag(Kind.AUDIO, round(number * SOUND_MS), b"\xaf\x01" + random.randbytes(SOUND_BYTES))

    frames = [picture(number) for number in range(seconds * fps)] + [tone(number) for number in range(sounds)]
    headers = [Tag(Kind.VIDEO, 0, AVC_HEADER)] + [Tag(Kind.AUDIO, 0, AAC_HEADER)] * sound
    return Clip(headers + sorted(frames, key=lambda tag: tag.timestamp))


def stamped(payload: bytes, now: float) -> bytes:
    """An AVC picture with the time in it; anything else as it is."""
    if payload[:2] not in (b"\x17\x01", b"\x27\x01"):
        return payload
    unit = SEI + b"%016x" % int(now * 1e9) + b"\x80"
    return payload[:PICTURE_AT] + len(unit).to_bytes(4, "big") + unit + payload[PICTURE_AT:]


def stamp(payload: bytes) -> float | None:
    """The time in a picture, if there is one."""
    if payload[PICTURE_AT + 4 : STAMP_AT] != SEI:
        return None
    return int(payload[STAMP_AT : STAMP_AT + 16], 16) / 1e9
