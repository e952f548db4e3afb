"""Allowance: how much work a peer may give us, so that nobody is an amplifier."""

RATE = 50.0
"""Questions a second that one peer may ask."""
BURST = 200.0
"""Of them at once: a whole mesh may have to be asked about after a cut."""


class Allowance:
    """A bucket of questions that fills with time."""

    __slots__ = ("_left", "_since")

    def __init__(self, now: float) -> None:
        self._left = BURST
        self._since = now

    def take(self, now: float) -> bool:
        """Whether one more may be answered."""
        self._left = min(self._left + RATE * (now - self._since), BURST)
        self._since = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
