"""Allowance: how much somebody may take of us, so that nobody is an amplifier and nobody drowns the others."""


class Allowance:
    """A bucket that fills with time."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """So much a second, and at most a `burst` at once."""
        self._rate = rate
        self._burst = self._left = burst
        self._since = now

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Take so much; False, and nothing is taken, if there is not as much."""
        self._fill(now)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def full(self, now: float) -> bool:
        """Whether nothing has been taken lately."""
        self._fill(now)
        return self._left == self._burst

    def _fill(self, now: float) -> None:
        self._left = min(self._left + self._rate * (now - self._since), self._burst)
        self._since = now
