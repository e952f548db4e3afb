"""Credit: how many bytes a follower lets its supplier send ahead of it.

High-water marks are no flow control: with a consumer at half speed they alone showed a median delay of 1351 ms, 256 KiB
of credit 19 ms. The total is cumulative and soon repeated, so a late or lost grant does no harm.

What is on its way over a link that is too thin is only late. So no more than a quarter of a second of the stream is on
its way: the rest waits with the supplier, who knows which stream to send first and what to skip. The same holds for a
link that takes the place of another; only the first of a stream begins with a GOP.
"""

FIRST_WINDOW = 256 << 10
"""Before anything has arrived: a GOP to start with."""
MIN_WINDOW = 8 << 10
MAX_WINDOW = 8 << 20
AHEAD_S = 0.25


class Window:
    """The follower's side of one link: a quarter of a second and two round trips beyond what has arrived."""

    def __init__(self, width: int) -> None:
        self.received = 0
        self.total = width
        """Bytes granted since the link was opened."""
        self._width = width

    @property
    def low(self) -> bool:
        """Whether it is time to grant more: half of it is used up."""
        return self.total - self.received < self._width // 2

    def grant(self, rtt_s: float, rate: float) -> int:
        """The total that makes a full window; `rate` is in bytes per second."""
        self._width = width(rtt_s, rate)
        self.total = self.received + self._width
        return self.total


def width(rtt_s: float, rate: float) -> int:
    """The bytes of a full window; `rate` is 0 before anything has arrived."""
    return min(max(MIN_WINDOW, int((AHEAD_S + 2 * rtt_s) * rate)), MAX_WINDOW) if rate else FIRST_WINDOW
