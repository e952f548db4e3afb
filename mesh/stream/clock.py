"""Clock: lays a publisher's timestamps onto the log's.

Publishers restart, wrap their 32-bit clocks, jump back when a file loops, and jump ahead when they are set right. The
log only ever sees 64-bit times that grow within each kind, and no gap is longer than the time that really passed. Audio
and video are shifted alike, so they stay in step, also where the last sound of the old clock comes after the first
picture of the new.
"""

from collections.abc import Mapping

WRAP = 1 << 32
JUMP_MS = 1000
"""A step beyond this may be a restart; one back by less is jitter, and the frame is moved up to its predecessor."""
APART_MS = 5000
"""How far audio and video may be apart without one of them being on a clock of its own."""


class Clock:
    """One publisher's clock, as the log reads it."""

    def __init__(self, last: Mapping[int, int], floor: int | None) -> None:
        """`last` is the newest dts of each kind so far; the first frame gets `floor`, or else its own time."""
        self.last = dict(last)
        self._floor = floor
        self._clocks: dict[int, tuple[int, int]] = {}
        """The newest timestamp of each kind, unwrapped, and what is added to it."""
        self._newest: tuple[int, int] | None = None
        """The same, of whichever kind came last."""
        self._heard_at = 0.0

    def time(self, kind: int, timestamp: int, now: float) -> int:
        """The dts of a frame that came `now`."""
        known = self._clocks.get(kind)
        clock, shift = known or self._newest or (timestamp, 0)
        step = (timestamp - clock + WRAP // 2) % WRAP - WRAP // 2
        clock += step
        if self._floor is not None:
            shift, self._floor = self._floor - clock, None
        elif self.last:
            newest = max(self.last.values())
            if (known and abs(step) > JUMP_MS) or abs(clock + shift - newest) > APART_MS:
                shift = self._restarted(clock, shift, newest, step, round(1000 * (now - self._heard_at)))
        self._heard_at = now
        self._newest = self._clocks[kind] = clock, shift
        return max(clock + shift, self.last.get(kind, -1) + 1)

    def header_time(self, kind: int) -> int:
        """The dts of a header: its own timestamp is often 0, so it takes the time of what came before."""
        return self.last.get(kind, max(self.last.values(), default=0))

    def shift(self, by: int) -> None:
        """Go on at another place of the log's time."""
        self.last = {kind: dts + by for kind, dts in self.last.items()}
        if by and self._newest is None:
            self._floor = (self._floor or 0) + by
        self._clocks = {kind: (clock, shift + by) for kind, (clock, shift) in self._clocks.items()}
        if self._newest:
            clock, shift = self._newest
            self._newest = clock, shift + by

    def _restarted(self, clock: int, shift: int, newest: int, step: int, passed_ms: int) -> int:
        """What to add to a clock that jumped: as much as to the kind that jumped first, so that both stay in step."""
        for _, other in self._clocks.values():
            if other != shift and abs(clock + other - newest) <= APART_MS:
                return other
        # Who is ahead by no more than the time that passed has paused; so has who went ahead and is still behind the
        # other kind, like pictures that take longer to encode than sound. Who jumps otherwise goes on from now.
        least = newest - APART_MS if step > 0 else newest
        paused = least <= clock + shift <= newest + passed_ms + JUMP_MS
        return shift if paused else newest + max(1, passed_ms) - clock
