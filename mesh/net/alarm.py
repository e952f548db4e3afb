"""Alarm: the loop's clock for a core that owns none."""

import asyncio
from collections.abc import Callable
from math import inf
from typing import Protocol


class Core(Protocol):
    """What all cores with timers have in common."""

    def get_timer(self) -> float:
        """When `handle_timer` is to be called; `inf` for never."""

    def handle_timer(self, now: float) -> None:
        """Do what is due."""


class Alarm:
    """Calls a core's `handle_timer` when it is due, and then `ring`."""

    def __init__(self, core: Core, ring: Callable[[], None], now: Callable[[], float] | None = None) -> None:
        """`now` is the clock by which the core goes, if it is finer than the loop's."""
        self._core = core
        self._ring = ring
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._handle: asyncio.TimerHandle | None = None
        self._at = inf

    def set(self) -> None:
        """Make sure that it rings in time.

        It may ring too early, for timers are put off more often than they are due; whoever hears it sets it again.
        """
        at = self._core.get_timer()
        if at < self._at:
            self.cancel()
            self._at = at
            self._handle = asyncio.get_running_loop().call_at(at, self._due)

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle:
            self._handle.cancel()
        self._handle, self._at = None, inf

    def _due(self) -> None:
        self._handle, self._at = None, inf
        self._core.handle_timer(self._now())
        self._ring()
