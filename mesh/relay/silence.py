"""Silence: when to ask a supplier that says nothing, and when to call it lost.

A question is repeated after 100 ms, 200 ms, and so on, until it is answered. After that the next one is put when there
has been no media for max(300 ms, 5 times the pause between messages); if the supplier had nothing new either, after
twice as long, for then the publisher is silent.
"""

from math import inf

ASK_S = 0.1
"""When a question is first repeated, or after two round trips."""
SILENCE_S = 0.3
INTERVALS = 5
MAX_PAUSE_S = 2.0
LOST_S = 0.6
"""Without any answer for this long, and four round trips, the supplier counts as lost."""
MAX_DOUBLINGS = 8


class Silence:
    """Of one supplier towards one follower."""

    def __init__(self) -> None:
        self.ask_at = inf
        """When to put the next question."""
        self._asked_at: float | None = None
        """Since when there has been no answer."""
        self._tries = 0
        self._in_vain = 0

    def begin(self) -> None:
        """Another supplier is to be asked."""
        self._asked_at = None
        self._tries = 0

    def asked(self, rtt_s: float, now: float) -> bool:
        """A question is put, or repeated; whether the supplier has been without an answer for too long."""
        if self._asked_at is None:
            self._asked_at = now
        self.ask_at = now + min(max(ASK_S, 2 * rtt_s) * 2**self._tries, MAX_PAUSE_S)
        self._tries = min(self._tries + 1, MAX_DOUBLINGS)
        return now - self._asked_at >= LOST_S + 4 * rtt_s

    def answered(self, interval_s: float, now: float) -> None:
        """The supplier said something; its messages of media come every `interval_s`."""
        self.begin()
        pause = max(SILENCE_S, INTERVALS * interval_s) * 2**self._in_vain
        self.ask_at = now + min(pause, MAX_PAUSE_S)

    def broken(self) -> None:
        """It was media."""
        self._in_vain = 0

    def idle(self) -> None:
        """It was that there is nothing new."""
        self._in_vain = min(self._in_vain + 1, MAX_DOUBLINGS)
