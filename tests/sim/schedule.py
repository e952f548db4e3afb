"""Schedule: what happens when, in a time that passes as fast as it can be computed."""

import heapq
from collections.abc import Callable
from itertools import count
from math import ceil
from typing import Any

TICKS = 1 << 20
"""Moments in a second. Whole ones, so that a clock that is off by any number of seconds shows them exactly."""
LOOK_S = 0.0005
"""Between two looks at whether something has come to be."""


class Schedule:
    """A heap of things to come; two of the same moment happen in the order in which they were scheduled."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._heap, (ceil(when * TICKS) / TICKS, next(self._order), act, arguments))

    def after(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen in a while."""
        self.at(self.now + seconds, act, *arguments)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; or only until something is so, to a half millisecond. Whether it came to be."""
        end, look = self.now + seconds, self.now
        while self._heap and self._heap[0][0] <= end:
            if until and self._heap[0][0] >= look:
                if until():
                    return True
                look = self._heap[0][0] + LOOK_S
            self.now, _, act, arguments = heapq.heappop(self._heap)
            act(*arguments)
        if until and until():
            return True
        self.now = end
        return False


class Timers:
    """Those of one process: what falls due while it is stopped happens when it goes on."""

    def __init__(self, schedule: Schedule) -> None:
        self.stopped = False
        self._schedule = schedule
        self._due: list[tuple[Callable[..., None], tuple[Any, ...]]] = []

    @property
    def now(self) -> float:
        return self._schedule.now

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at a moment, or later."""
        self._schedule.at(when, self._falls_due, act, arguments)

    def after(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen in a while, or later."""
        self.at(self.now + seconds, act, *arguments)

    def go_on(self) -> None:
        """Let happen what fell due, in that order."""
        self.stopped = False
        due, self._due = self._due, []
        for act, arguments in due:
            act(*arguments)

    def _falls_due(self, act: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self.stopped:
            self._due.append((act, arguments))
        else:
            act(*arguments)
