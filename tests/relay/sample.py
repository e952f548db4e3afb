"""Frames and logs to relay."""

from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.stream.log import Budget, StreamLog

STREAM = "live/show"
LEADER = "1" * 32
FRAME_MS = 20


def at(n: int, epoch: int = 1) -> int:
    """The offset of an epoch's nth frame."""
    return epoch << EPOCH_SHIFT | n


def header(n: int, epoch: int = 1) -> Frame:
    """An AVC sequence header."""
    return Frame(at(n, epoch), Kind.VIDEO, n * FRAME_MS, 0, False, True, b"\x17\0\0\0\0" + bytes([n & 255]))


def video(n: int, keyframe: bool = False, size: int = 100, epoch: int = 1) -> Frame:
    """A picture, whose payload tells which."""
    payload = at(n, epoch).to_bytes(8, "big").ljust(size, b"v")
    return Frame(at(n, epoch), Kind.VIDEO, n * FRAME_MS, 40, keyframe, False, payload)


def gops(count: int, length: int = 10, size: int = 100, epoch: int = 1) -> list[Frame]:
    """A header, then `count` frames with a keyframe every `length`."""
    return [header(0, epoch), *(video(n, (n - 1) % length == 0, size, epoch) for n in range(1, count + 1))]


def empty_log(max_bytes: int = 1 << 30) -> StreamLog:
    """A log that nobody has begun."""
    return StreamLog(STREAM, 1000, max_bytes, Budget(1 << 32))


def log_of(*frames: Frame, leader: str = LEADER, max_bytes: int = 1 << 30) -> StreamLog:
    """A log that holds these."""
    log = empty_log(max_bytes)
    extend(log, *frames, leader=leader)
    return log


def extend(log: StreamLog, *frames: Frame, leader: str = LEADER) -> None:
    """Append them, beginning their epochs."""
    for frame in frames:
        if not log.epochs or frame.epoch > log.epochs[-1].number:
            log.begin(frame.epoch, leader)
        log.append(frame)


def held(log: StreamLog) -> list[Frame]:
    """Every frame that a reader can get, from the tail on."""
    return list(log.read(log.tail, 1 << 40).frames)
