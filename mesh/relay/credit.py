"""Credit: how many bytes a follower lets its supplier send ahead of it.

High-water marks are no flow control: with a consumer at half speed they alone showed a median delay of 1351 ms, 256 KiB
of credit 19 ms. The total is cumulative, so a repeated, late or lost grant does no harm.

What is on its way over a link that is too thin is only late: there the window is no more than passes in a moment, so
that frames wait with the supplier, who knows which of them to send first and which to skip.
"""

MIN_WINDOW = 256 << 10
MAX_WINDOW = 8 << 20
THIN_MS = 300
"""A link is too thin when frames have waited for so long with the supplier."""
THIN_S = 0.25
THIN_WINDOW = 16 << 10


class Window:
    """The follower's side of one link: max(256 KiB, 2 x RTT x bitrate) beyond what has arrived."""

    def __init__(self) -> None:
        self.received = 0
        self.total = MIN_WINDOW
        """Bytes granted since the link was opened."""

    @property
    def low(self) -> bool:
        """Whether it is time to grant more: half of the least window is used up."""
        return self.total - self.received < MIN_WINDOW // 2

    def grant(self, rtt_s: float, rate: float, lag_ms: int) -> int:
        """The total, moved up to a full window; `rate` is in bytes per second, `lag_ms` how late frames were sent."""
        if lag_ms > THIN_MS:
            width = min(max(THIN_WINDOW, int((THIN_S + rtt_s) * rate)), MIN_WINDOW)
        else:
            width = min(max(MIN_WINDOW, int(2 * rtt_s * rate)), MAX_WINDOW)
        self.total = max(self.total, self.received + width)
        return self.total
