"""Frames: short ways to write a stream, for whoever tests a log or its readers."""

from collections.abc import Callable, Iterator

from mesh.media.frame import Frame, Kind
from mesh.stream.log import Budget, StreamLog

METADATA = b"\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09"
AVC_HEADER = bytes.fromhex("17 00 000000 01640028")
AAC_HEADER = bytes.fromhex("af 00 1190")


def roomy(key: str = "live/a", seconds: float = 10, max_bytes: int = 1 << 30) -> StreamLog:
    """A log that drops nothing but what is old."""
    return StreamLog(key, seconds, max_bytes, Budget(1 << 40))


def header(offset: int, payload: bytes = AVC_HEADER, dts: int = 0) -> Frame:
    """A sequence header, or metadata."""
    kind = {0x17: Kind.VIDEO, 0xAF: Kind.AUDIO, 0x02: Kind.META}[payload[0]]
    return Frame(offset, kind, dts, 0, False, True, payload)


def keyframe(offset: int, dts: int, size: int = 1000) -> Frame:
    """H.264 that a decoder can start at; no two payloads are equal."""
    return Frame(offset, Kind.VIDEO, dts, 0, True, False, _payload("17 01 000000", offset, size))


def picture(offset: int, dts: int, size: int = 300) -> Frame:
    """H.264 that a decoder cannot start at."""
    return Frame(offset, Kind.VIDEO, dts, 0, False, False, _payload("27 01 000000", offset, size))


def sound(offset: int, dts: int, size: int = 100) -> Frame:
    """AAC."""
    return Frame(offset, Kind.AUDIO, dts, 0, False, False, _payload("af 01", offset, size))


def begun(
    log: StreamLog, epoch: int = 1, leader: str = "n1", headers: tuple[bytes, ...] = (AVC_HEADER, AAC_HEADER)
) -> StreamLog:
    """The log, an epoch of which has begun with these headers."""
    log.begin(epoch, leader)
    for payload in headers:
        log.append(header(log.head, payload, max(log.last_dts.values(), default=0)))
    return log


def extend(log: StreamLog, seconds: float, gop: int = 25, size: int = 300, start: int | None = None) -> list[Frame]:
    """Append 25 pictures and as many sounds for each second; return them."""
    return [written for written in write(log, gop, size, start, round(seconds * 25))]


def write(
    log: StreamLog, gop: int = 25, size: int = 300, start: int | None = None, count: int = 1 << 30
) -> Iterator[Frame]:
    """The same, frame by frame, as they are asked for."""
    start = max(log.last_dts.values(), default=-40) + 40 if start is None else start
    for number in range(count):
        form: Callable[..., Frame] = picture if number % gop else keyframe
        for frame in (form(log.head, start + 40 * number, size), sound(log.head + 1, start + 40 * number)):
            log.append(frame)
            yield frame


def _payload(start: str, offset: int, size: int) -> bytes:
    return (bytes.fromhex(start) + offset.to_bytes(8, "big")).ljust(size, b"\xaa")
