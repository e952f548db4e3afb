"""Streams that look like H.264 and AAC to a demuxer and are known to the last byte."""

import heapq
import random
import struct
from collections.abc import Iterable, Iterator
from itertools import count, takewhile

from tests.e2e.flv import AUDIO, META, VIDEO, Tag

AVC_HEADER = bytes.fromhex(
    "1700000000"  # keyframe of AVC, sequence header
    "0164000dffe1" "0019" "6764000dacd94141fb011000000300100000030320f1429960"  # SPS: High, 320x240, 25 frames/s
    "01" "0004" "68ef8fcb" "fdf8f800"  # PPS
)  # fmt: skip
AAC_HEADER = bytes.fromhex("af001190")  # AAC-LC, 48 kHz, two channels
FRAME_MS = 40
GOP = 25
CTS = (3 * FRAME_MS, 0, 0)
"""Of P, b and b: P is decoded first and shown last; the I frame before them has one frame of delay."""


def metadata(video: bool = True, audio: bool = True) -> Tag:
    """onMetaData, as AMF0."""
    known = {"width": 320.0, "height": 240.0, "videocodecid": 7.0} if video else {}
    known |= {"audiosamplerate": 48000.0, "audiocodecid": 10.0} if audio else {}
    pairs = b"".join(_string(key) + b"\0" + struct.pack(">d", value) for key, value in known.items())
    array = b"\x08" + len(known).to_bytes(4, "big") + pairs + b"\0\0\x09"
    return Tag(META, 0, b"\x02" + _string("onMetaData") + array)


def stream(seconds: float, video: bool = True, audio: bool = True, seed: int = 1, start_ms: int = 0) -> Iterator[Tag]:
    """Metadata, sequence headers, and that many seconds of interleaved frames, each payload unlike all others."""
    yield metadata(video, audio)._replace(timestamp=start_ms)
    if video:
        yield Tag(VIDEO, start_ms, AVC_HEADER)
    if audio:
        yield Tag(AUDIO, start_ms, AAC_HEADER)
    tracks = [_video(seed)] * video + [_audio(seed)] * audio
    frames = heapq.merge(*tracks, key=lambda tag: tag.timestamp)
    for tag in takewhile(lambda tag: tag.timestamp < seconds * 1000, frames):
        yield tag._replace(timestamp=start_ms + tag.timestamp & 0xFFFFFFFF)


def still(tags: Iterable[Tag]) -> Iterator[Tag]:
    """The same with a picture that does not move and no sound: every GOP repeats the last."""
    place = 0
    for tag in tags:
        if tag.config or tag.kind not in (AUDIO, VIDEO):
            yield tag
        elif tag.kind == AUDIO:
            yield tag._replace(payload=b"\xaf\x01" + bytes(20))
        else:
            place = 0 if tag.keyframe else place + 1
            yield tag._replace(payload=tag.payload[:5] + b"picture %d" % place)


def enhanced(tags: Iterable[Tag]) -> Iterator[Tag]:
    """The same as HEVC and Opus of Enhanced RTMP: a FourCC where the codec's number was."""
    for tag in tags:
        packet, rest = tag.payload[1:2], tag.payload[2:]
        if tag.kind == VIDEO:
            yield tag._replace(payload=bytes([tag.payload[0] & 0xF0 | 0x80 | packet[0]]) + b"hvc1" + rest)
        elif tag.kind == AUDIO:
            yield tag._replace(payload=bytes([0x90 | packet[0]]) + b"Opus" + rest)
        else:
            yield tag


def _video(seed: int) -> Iterator[Tag]:
    """25 frames/s in GOPs of I (P b b)*8, in decoding order."""
    noise = random.Random(f"video {seed}")
    for n in count():
        place = n % GOP
        cts = CTS[(place - 1) % 3] if place else FRAME_MS
        size = noise.randrange(6000, 9000) if place == 0 else noise.randrange(400, 1600)
        unit = (b"\x65" if place == 0 else b"\x41") + b"frame %08d" % n + noise.randbytes(size)
        head = (b"\x17" if place == 0 else b"\x27") + b"\x01" + cts.to_bytes(3, "big")
        yield Tag(VIDEO, n * FRAME_MS, head + len(unit).to_bytes(4, "big") + unit)


def _audio(seed: int) -> Iterator[Tag]:
    """AAC frames of 1024 samples at 48 kHz: 21 or 22 ms apart."""
    noise = random.Random(f"audio {seed}")
    for n in count():
        yield Tag(AUDIO, n * 1024 * 1000 // 48000, b"\xaf\x01" + b"frame %08d" % n + noise.randbytes(170))


def _string(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()
