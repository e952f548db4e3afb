"""Silence: when to ask a supplier that says nothing, and when to give it up.

The first question is put when there has been no media for max(200 ms, 5 times the pause between messages), and repeated
after 100 ms, 200 ms, and so on up to half a second, until it is answered. A supplier without an answer to the first has
had its chance: who is ahead takes its place. One that answers, but has nothing new, has lost its own supplier, or the
publisher is silent: it gets twice the time to find another, so that only the node next to a break reacts.
"""

from math import inf

ASK_S = 0.1
"""When a question is first repeated, or after two round trips."""
SILENCE_S = 0.2
INTERVALS = 5
MAX_PAUSE_S = 2.0
MAX_ASK_S = 0.5
"""How seldom a question is repeated at most, or after two round trips: meanwhile others may have got ahead."""
LOST_S = 0.6
"""Without any answer for this long, and four round trips, the supplier counts as lost, even if nobody is ahead."""
IN_VAIN = 2
"""Answers without anything new after which a supplier has had its chance."""
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

    def in_vain(self, now: float) -> bool:
        """Whether the supplier has had its chance: it did not answer in time, or, again and again, had nothing new."""
        unanswered = self._tries > 1 or (self._tries == 1 and now >= self.ask_at)
        return unanswered or self._in_vain >= IN_VAIN

    def begin(self) -> None:
        """What was asked needs no answer any more."""
        self._asked_at = None
        self._tries = 0

    def asked(self, rtt_s: float, now: float) -> bool:
        """A question is put, or repeated; whether the supplier has been without an answer for too long."""
        if self._asked_at is None:
            self._asked_at = now
        self.ask_at = now + max(min(ASK_S * 2**self._tries, MAX_ASK_S), 2 * rtt_s)
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
