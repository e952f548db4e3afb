"""Turns: which link is fed next.

Each link that may have something to get comes after those that were due before it. Two kinds have to wait a little: a
link whose follower's connection takes nothing now, and one that goes to the same follower as another of higher priority
which lags, because the way there is too thin for both.
"""

from collections import deque
from math import inf

from mesh.relay.feed import Link

RETRY_S = 0.001
"""When to try a connection again that took nothing; it is that short because a new one needs a moment to stand."""
BLOCKED_S = 2.0
"""A connection that takes nothing for so long is lost, and its links with it."""
URGENT_S = 0.2
"""A link that lags by this goes before those of lower priority."""
YIELD_S = 0.05
"""For how long they wait each time."""


class Turns:
    """Of all links of a supplier."""

    def __init__(self) -> None:
        self.retry_at = inf
        """When to call `retry`."""
        self._due: deque[Link] = deque()
        self._waiting: dict[Link, None] = {}
        """Those that are due again then."""
        self._blocked: dict[str, float] = {}
        """The followers whose connections take nothing, and since when."""
        self._resting: set[str] = set()
        """Those of them that are not tried before then."""
        self._urgent: dict[str, dict[str, int]] = {}
        """By follower and stream, the priorities of the links that lag."""

    def add(self, link: Link) -> None:
        """It may have something to get."""
        if not link.due:
            link.due = True
            self._due.append(link)

    def next(self, now: float) -> Link | None:
        """The next link, which is not due any more."""
        while self._due:
            link = self._due.popleft()
            link.due = False
            if link.peer in self._resting:
                self._waiting[link] = None
            elif max(self._urgent.get(link.peer, {}).values(), default=link.priority) > link.priority:
                self._waiting[link] = None
                self.retry_at = min(self.retry_at, now + YIELD_S)
            else:
                return link
        return None

    def lags(self, link: Link, lag_s: float) -> None:
        """Its next frame has been waiting for so long."""
        if lag_s > URGENT_S:
            self._urgent.setdefault(link.peer, {})[link.stream] = link.priority
        elif link.peer in self._urgent:
            self._calm(link)

    def sent(self, link: Link) -> None:
        """Something was taken, and there may be more."""
        self._blocked.pop(link.peer, None)
        self.add(link)

    def blocked(self, link: Link, now: float) -> bool:
        """Its follower's connection took nothing; whether that has been so for too long."""
        blocked_s = now - self._blocked.setdefault(link.peer, now)
        if blocked_s >= BLOCKED_S:
            return True
        self._resting.add(link.peer)
        self._waiting[link] = None
        self.retry_at = min(self.retry_at, now + max(RETRY_S, blocked_s / 10))
        return False

    def retry(self) -> None:
        """Those that wait are due again."""
        self.retry_at = inf
        self._resting.clear()
        waiting, self._waiting = self._waiting, {}
        for link in waiting:
            self.add(link)

    def drop(self, link: Link, last: bool) -> None:
        """There is no such link any more; `last` says whether its follower has no other."""
        self._calm(link)
        if last:
            self._blocked.pop(link.peer, None)
            self._resting.discard(link.peer)

    def _calm(self, link: Link) -> None:
        urgent = self._urgent.get(link.peer, {})
        urgent.pop(link.stream, None)
        if not urgent:
            self._urgent.pop(link.peer, None)
