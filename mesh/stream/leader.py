"""Leader: numbers a publisher's frames, once, and lays their clock onto the log's.

Publishers restart, wrap their 32-bit clocks, jump back when a file loops, and send a header with timestamp 0 in the
middle. The log only ever sees 64-bit times that grow within each kind; all kinds are shifted together, so audio and
video stay in step.
"""

from mesh.media import codec
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.stream.log import StreamLog

WRAP = 1 << 32
JUMP_BACK_MS = 1000
"""A clock that falls back further has been restarted; less is jitter, and the frame is moved up to its predecessor."""


class Leader:
    """One publisher's epoch of a log."""

    def __init__(self, log: StreamLog, number: int, node: str, away_ms: int = 0) -> None:
        """Begin epoch `number`, led by `node`, `away_ms` after the last frame of the epoch before."""
        resumed = bool(log.last_dts)
        log.begin(number, node)
        self.log = log
        self.frames = 0
        self.bytes = 0
        self._next = number << EPOCH_SHIFT
        self._floor = max(log.last_dts.values()) + max(1, away_ms) if resumed else None
        self._shift = 0
        self._clock = 0
        """The newest timestamp, unwrapped, before the shift."""
        self._last = dict(log.last_dts)
        self._awaits_keyframe = True

    def write(self, kind: int, timestamp: int, payload: bytes) -> None:
        """Number one message. Raises `MediaError` if the payload is too short for what it says it is."""
        if not payload:
            return
        look = codec.look(kind, payload)
        dts = self._unwrap(timestamp, look.config)
        if look.config:
            dts = max(dts, self._last.get(kind, dts))
        else:
            if kind == Kind.VIDEO and self._awaits_keyframe:
                if not look.keyframe:
                    return
                self._awaits_keyframe = False
            dts = max(dts, self._last.get(kind, dts - 1) + 1)
            self._last[kind] = dts
        self.frames += 1
        self.bytes += len(payload)
        offset = self._next
        self._next += 1
        self.log.append(Frame(offset, kind, dts, look.cts, look.keyframe, look.config, payload))

    def _unwrap(self, timestamp: int, config: bool) -> int:
        if self.frames == 0:
            self._clock = timestamp
        step = (timestamp - self._clock + WRAP // 2) % WRAP - WRAP // 2
        if config:
            return self._clock + max(step, 0) + self._shift
        if self._floor is not None:
            # The first frame after a pause: the time that really passed stays as the gap.
            self._shift, self._floor = self._floor - self._clock - step, None
        elif step < -JUMP_BACK_MS:
            self._shift += 1 - step
        self._clock += step
        return self._clock + self._shift
