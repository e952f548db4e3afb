"""Credit: how many bytes a follower lets its supplier send ahead of it.

High-water marks are no flow control: with a consumer at half speed they alone showed a median delay of 1351 ms, 256 KiB
of credit 19 ms. The total is cumulative, so a repeated, late or lost grant does no harm.
"""

MIN_WINDOW = 256 << 10
MAX_WINDOW = 8 << 20
RATE_S = 1.0
"""Over how long the bitrate is measured."""


class Window:
    """The follower's side of one link: max(256 KiB, 2 x RTT x bitrate) beyond what has arrived."""

    def __init__(self, now: float) -> None:
        self.received = 0
        self.total = MIN_WINDOW
        """Bytes granted since the link was opened."""
        self._width = MIN_WINDOW
        self._since = now
        self._counted = 0

    @property
    def low(self) -> bool:
        """Whether half of the window is used up: time to grant more."""
        return self.total - self.received < self._width // 2

    def take(self, size: int, rtt_s: float, now: float) -> None:
        """Bytes arrived."""
        self.received += size
        self._counted += size
        passed = now - self._since
        if passed >= RATE_S:
            self._width = min(max(MIN_WINDOW, int(2 * rtt_s * self._counted / passed)), MAX_WINDOW)
            self._since, self._counted = now, 0

    def grant(self) -> int:
        """The total, moved up to a full window."""
        self.total = max(self.total, self.received + self._width)
        return self.total
