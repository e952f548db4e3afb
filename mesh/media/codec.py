"""Codecs: just enough of a payload to know a keyframe, a header in force, and what to call it.

A payload is the body of an FLV tag: FLV 10.1, annex E.4, or Enhanced RTMP v2 ("ExVideoTagHeader", "ExAudioTagHeader").
"""

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from mesh.errors import MediaError
from mesh.media.frame import AUDIO, VIDEO, Kind

METADATA = b"\x02\x00\x0aonMetaData"
KEYFRAME, COMMAND = 1, 5
"""Frame types; a command (the start or end of seeking) is one byte where others have a picture."""
AVC_LIKE = {7: "h264", 12: "hevc"}
"""Legacy codec ids whose second byte is an AVCPacketType; 12 is what many encoders sent before FourCC."""
VIDEO_IDS = {2: "h263", 3: "screen", 4: "vp6", 5: "vp6a", 6: "screen2", 7: "h264", 12: "hevc"}
AUDIO_IDS = {0: "pcm", 1: "adpcm", 2: "mp3", 3: "pcm", 4: "nellymoser", 5: "nellymoser", 6: "nellymoser", 7: "alaw",
             8: "mulaw", 10: "aac", 11: "speex", 14: "mp3"}  # fmt: skip
AAC = 10
EX_AUDIO = 9
FOURCC = {b"avc1": "h264", b"hvc1": "hevc", b"vvc1": "vvc", b"av01": "av1", b"vp08": "vp8", b"vp09": "vp9",
          b"mp4a": "aac", b"Opus": "opus", b"fLaC": "flac", b"ac-3": "ac3", b"ec-3": "eac3"}  # fmt: skip
WITH_CTS = {b"avc1", b"hvc1", b"vvc1"}
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Packet(IntEnum):
    """Enhanced RTMP's VideoPacketType and AudioPacketType, as far as both have it."""

    SEQUENCE_START = 0
    CODED_FRAMES = 1
    SEQUENCE_END = 2
    CODED_FRAMES_X = 3
    METADATA = 4
    MPEG2TS_SEQUENCE_START = 5
    MULTITRACK = 6
    MOD_EX = 7


EX_VIDEO_FROM, EX_AUDIO_FROM, EX_AUDIO_TO = b"\x80", b"\x90", b"\xa0"
"""Payloads in this range are Enhanced RTMP's."""
VIDEO_HEADER, AUDIO_HEADER = 5, 2
"""Bytes that tell everything of the others."""
AUDIO_MULTITRACK = 5
CONFIG = {Packet.SEQUENCE_START, Packet.METADATA, Packet.MPEG2TS_SEQUENCE_START}


class Look(NamedTuple):
    """What a payload's first bytes tell."""

    codec: str
    keyframe: bool = False
    config: bool = False
    cts: int = 0
    """Presentation minus decoding time, in ms."""
    track: int = 0
    packet: int = Packet.CODED_FRAMES

    def slot(self, kind: int) -> tuple[int, int, int]:
        """Which of the headers in force this one replaces."""
        return kind, self.track, self.packet


def look(kind: int, payload: bytes) -> Look:
    """Look at a payload that is not empty. Raises `MediaError` if it is too short for what it says it is."""
    if kind == VIDEO and payload < EX_VIDEO_FROM:
        return _remembered(kind, payload[:VIDEO_HEADER])
    if kind == AUDIO and not EX_AUDIO_FROM <= payload < EX_AUDIO_TO:
        return _remembered(kind, payload[:AUDIO_HEADER])
    return _look(kind, payload)


def _look(kind: int, payload: bytes) -> Look:
    try:
        if kind == VIDEO:
            if len(payload) == 2 and payload[0] >> 4 & 7 == COMMAND:
                return Look("command")
            return _ex_video(payload) if payload[0] & 0x80 else _video(payload)
        if kind == AUDIO:
            return _ex_audio(payload) if payload[0] >> 4 == EX_AUDIO else _audio(payload)
    except IndexError:
        name = Kind(kind).name.lower()
        raise MediaError(f"{name} of {len(payload)} bytes ({payload[:8].hex(' ')}) ends within its header") from None
    return Look("metadata", config=payload.startswith(METADATA))


_remembered = lru_cache(maxsize=1024)(_look)
"""Few headers that are not Enhanced RTMP's differ, and looking at one costs as much as all else that is done to it."""


def _video(payload: bytes) -> Look:
    codec, keyframe = payload[0] & 0x0F, payload[0] >> 4 == KEYFRAME
    name = VIDEO_IDS.get(codec, f"video{codec}")
    if codec not in AVC_LIKE:
        return Look(name, keyframe)
    packet = payload[1]
    if packet == Packet.CODED_FRAMES:
        return Look(name, keyframe, False, _signed24(payload, 2))
    return Look(name, config=packet == Packet.SEQUENCE_START, packet=packet)


def _audio(payload: bytes) -> Look:
    codec = payload[0] >> 4
    name = AUDIO_IDS.get(codec, f"audio{codec}")
    packet = payload[1] if codec == AAC else Packet.CODED_FRAMES
    return Look(name, config=packet == Packet.SEQUENCE_START, packet=packet)


def _ex_video(payload: bytes) -> Look:
    keyframe = payload[0] >> 4 & 7 == KEYFRAME
    packet, fourcc, track, at = _ex_header(payload, Packet.MULTITRACK)
    coded = packet in (Packet.CODED_FRAMES, Packet.CODED_FRAMES_X)
    cts = _signed24(payload, at) if packet == Packet.CODED_FRAMES and fourcc in WITH_CTS else 0
    # A further track's keyframe is no place to start the stream.
    return Look(_name(fourcc), keyframe and coded and not track, packet in CONFIG, cts, track, packet)


def _ex_audio(payload: bytes) -> Look:
    packet, fourcc, track, _ = _ex_header(payload, AUDIO_MULTITRACK)
    return Look(_name(fourcc), config=packet in CONFIG, track=track, packet=packet)


def _ex_header(payload: bytes, multitrack: int) -> tuple[int, bytes, int, int]:
    """Packet type, FourCC, track, and where the packet begins; of several tracks in one message, the first."""
    packet, at, track = payload[0] & 0x0F, 1, 0
    while packet == Packet.MOD_EX:
        size = payload[at] + 1
        at += 1
        if size == 256:
            size = (payload[at] << 8 | payload[at + 1]) + 1
            at += 2
        packet = payload[at + size] & 0x0F
        at += size + 1
    if packet == multitrack:
        form, packet = payload[at] >> 4, payload[at] & 0x0F
        track = payload[at + 5]
        sized = form != 0
        fourcc = payload[at + 1 : at + 5]
        return packet, fourcc, track, at + 6 + 3 * sized
    if len(payload) < at + 4:
        raise IndexError
    return packet, payload[at : at + 4], track, at + 4


def _name(fourcc: bytes) -> str:
    return FOURCC.get(fourcc) or (fourcc.decode() if fourcc.isalnum() else fourcc.hex())


def _signed24(payload: bytes, at: int) -> int:
    value = payload[at] << 16 | payload[at + 1] << 8 | payload[at + 2]
    return value - (value << 1 & 0x1000000)


def describe(kind: int, header: bytes) -> str:
    """A sequence header in words for people: "h264", "aac 48000x2"."""
    name = look(kind, header).codec
    if kind == Kind.AUDIO and header[0] >> 4 == AAC and len(header) >= 4:
        bits = header[2] << 8 | header[3]  # AudioSpecificConfig, ISO 14496-3, 1.6.2.1
        rate, channels = bits >> 7 & 15, bits >> 3 & 15
        return f"{name} {AAC_RATES[rate]}x{channels}" if rate < len(AAC_RATES) else name
    return name
