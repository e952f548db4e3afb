"""Pace: how fast media arrives, as far as one can tell."""

from collections.abc import Sequence

from mesh.media.frame import Frame
from mesh.relay.silence import SILENCE_S

RATE = 256 << 10
"""Bytes per second, until more is known."""
MIN_RATE = 16 << 10
MEASURE_S = 1.0
SPAN_MS = 250
"""Of a stream, so that its timestamps tell its rate: what comes first comes all at once."""
THINNER = 4
"""Into what part of its rate a way may turn without being taken for lost."""
DECAY = 0.9
"""What is left of the peak after a second in which less came."""


class Pace:
    """Of one stream from one supplier."""

    def __init__(self) -> None:
        self.heard_at: float | None = None
        """When the newest message came."""
        self.interval_s = 0.0
        """Between two messages, on average over the last eight or so."""
        self.rate = float(RATE)
        """Bytes per second."""
        self.peak = 0.0
        """The rate that it had not long ago: over a thin link less comes than would, if more was granted."""
        self._by_time = 0.0
        self._first: int | None = None
        self._total = 0
        self._since = 0.0
        self._counted = 0

    @property
    def expected(self) -> float:
        """Bytes per second to make room for: the peak, and until there is one, what the stream's own time says."""
        return self.peak or self._by_time or self.rate

    def overdue(self, size: int, since: float, now: float) -> bool:
        """Whether bytes sent on a link that is open `since` then should be here, even if the way has become thin."""
        waited = now - max(since, self.heard_at or 0)
        return size > 0 and waited > SILENCE_S + size / max(self.rate / THINNER, MIN_RATE)

    def heard(self, frames: Sequence[Frame], now: float) -> int:
        """A message came; how many bytes that were."""
        size = sum(len(frame.payload) for frame in frames)
        if not self.peak:
            self._look_at_time(frames, size)
        if self.heard_at is None:
            self._since = now
        else:
            self.interval_s += (now - self.heard_at - self.interval_s) / 8
            self._counted += size
        self.heard_at = now
        if now - self._since >= MEASURE_S:
            self.rate = max(self._counted / (now - self._since), MIN_RATE)
            self.peak = max(self.rate, self.peak * DECAY ** (now - self._since))
            self._since, self._counted = now, 0
        return size

    def _look_at_time(self, frames: Sequence[Frame], size: int) -> None:
        times = [frame.dts for frame in frames if not frame.config]
        self._total += size
        if times:
            self._first = times[0] if self._first is None else self._first
            span = max(times) - self._first
            self._by_time = max(1000 * self._total / span, MIN_RATE) if span >= SPAN_MS else self._by_time
