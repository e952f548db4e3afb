"""Loop: sockets on one epoll, and what is due when; nothing that a load generator can do without."""

import heapq
import select
from collections.abc import Callable
from itertools import count
from time import monotonic

EVENTS = 4096
"""Sockets that one look at the kernel may yield."""


class Loop:
    """Calls back whoever's socket is ready, and whoever's time has come."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def watch(self, fd: int, writable: bool, ready: Callable[[], None]) -> None:
        """Call `ready` whenever this descriptor can be read, or if need be written."""
        mask = select.EPOLLIN | (select.EPOLLOUT if writable else 0)
        (self._epoll.modify if fd in self._ready else self._epoll.register)(fd, mask)
        self._ready[fd] = ready

    def forget(self, fd: int) -> None:
        """Watch it no more, before it is closed."""
        if self._ready.pop(fd, None):
            self._epoll.unregister(fd)

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call this at that monotonic time."""
        heapq.heappush(self._timers, (when, next(self._order), call))

    def run(self, until: float) -> None:
        """Work until that time."""
        timers, ready, poll = self._timers, self._ready, self._epoll.poll
        while (now := monotonic()) < until:
            while timers and timers[0][0] <= now:
                heapq.heappop(timers)[2]()
            soonest = min(until, timers[0][0]) if timers else until
            for fd, _ in poll(max(0.0, soonest - monotonic()), EVENTS):
                if call := ready.get(fd):
                    call()
