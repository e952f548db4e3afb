"""Pace: how fast media arrives, as far as one can tell."""

from mesh.relay.silence import SILENCE_S

RATE = 256 << 10
"""Bytes per second, until more is known."""
MIN_RATE = 16 << 10
MEASURE_S = 1.0
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
        self._since = 0.0
        self._counted = 0

    def overdue(self, size: int, since: float, now: float) -> bool:
        """Whether bytes sent on a link that is open `since` then should be here, even if the way has become thin."""
        waited = now - max(since, self.heard_at or 0)
        return size > 0 and waited > SILENCE_S + size / max(self.rate / THINNER, MIN_RATE)

    def heard(self, size: int, now: float) -> None:
        """A message of `size` bytes came."""
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
