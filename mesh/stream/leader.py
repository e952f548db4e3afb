"""Leader: numbers a publisher's frames, once, and lays their clock onto the log's.

Publishers restart, wrap their 32-bit clocks, jump back when a file loops, and send a header with timestamp 0 in the
middle. The log only ever sees 64-bit times that grow within each kind; audio and video are shifted alike, so they stay
in step, also where the last sound of the old clock comes after the first picture of the new.
"""

from mesh.media import codec
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.stream.log import StreamLog

WRAP = 1 << 32
JUMP_MS = 1000
"""A step beyond this may be a restart; one back by less is jitter, and the frame is moved up to its predecessor."""
APART_MS = 5000
"""How far audio and video may be apart without one of them being on a clock of its own."""


class Leader:
    """One publisher's epoch of a log."""

    def __init__(self, log: StreamLog, number: int, node: str, away_ms: int = 0) -> None:
        """Begin epoch `number`, led by `node`, `away_ms` after the last frame of the epoch before."""
        log.begin(number, node)
        self.log = log
        self.frames = 0
        self.bytes = 0
        self._next = number << EPOCH_SHIFT
        self._last = {kind: dts for kind, dts in log.last_dts.items() if kind != Kind.META}
        self._floor = max(self._last.values()) + max(1, away_ms) if self._last else None
        self._clocks: dict[int, tuple[int, int]] = {}
        """The newest timestamp of each kind, unwrapped, and what is added to it."""
        self._newest: tuple[int, int] | None = None
        """The same, of whichever kind came last."""
        self._awaits_keyframe = True

    def write(self, kind: int, timestamp: int, payload: bytes) -> None:
        """Number one message. Raises `MediaError` if the payload is too short for what it says it is."""
        if not payload:
            return
        look = codec.look(kind, payload)
        if look.config or kind == Kind.META:
            # Their own timestamps are often 0, wherever they come: they take the time of what came before.
            dts = self._last.get(kind, max(self._last.values(), default=0))
        else:
            dts = max(self._time(kind, timestamp), self._last.get(kind, -1) + 1)
            if kind == Kind.VIDEO and self._awaits_keyframe:
                if not look.keyframe:
                    return
                self._awaits_keyframe = False
            self._last[kind] = dts
        self.frames += 1
        self.bytes += len(payload)
        offset = self._next
        self._next += 1
        self.log.append(Frame(offset, kind, dts, look.cts, look.keyframe, look.config, payload))

    def _time(self, kind: int, timestamp: int) -> int:
        """A publisher's timestamp on the log's clock."""
        clock, shift = self._clocks.get(kind) or self._newest or (timestamp, 0)
        step = (timestamp - clock + WRAP // 2) % WRAP - WRAP // 2
        clock += step
        if self._floor is not None:
            # The first frame after a pause: the time that really passed stays as the gap.
            shift, self._floor = self._floor - clock, None
        elif self._last:
            now = max(self._last.values())
            jumped = abs(step) > JUMP_MS and kind in self._clocks
            if jumped or abs(clock + shift - now) > APART_MS:
                shift = self._restarted(clock, shift, now)
        self._newest = self._clocks[kind] = clock, shift
        return clock + shift

    def _restarted(self, clock: int, shift: int, now: int) -> int:
        """What to add to a clock that jumped: as much as to the kind that jumped first, so that both stay in step."""
        for _, other in self._clocks.values():
            if other != shift and abs(clock + other - now) <= APART_MS:
                return other
        # Who jumps ahead may have paused; who falls back goes on from now.
        return shift if clock + shift >= now else now + 1 - clock
