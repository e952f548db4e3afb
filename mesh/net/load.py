"""Load: what this node's machine and event loop are under, for its heartbeats."""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

import psutil

from mesh.gossip.member import Load
from mesh.net.addresses import outward
from mesh.net.tick import next_tick, tick

PERIOD_S = 0.5
TICK_S, CLOSE_TICK_S = 0.1, 0.025
"""How often the event loop is asked to be on time; and how often once it was not, by more than `LATE_S`."""
LATE_S = 0.02
LAGS = 5
"""Periods of which the median lag is told: a single hiccup is no load."""
SMOOTHING = 0.5
INTERFACES_S = 10.0
"""Between two looks at how fast the interfaces are."""
INTERFACES = "/sys/class/net"


class Counts(NamedTuple):
    """What a node itself counts."""

    players: int = 0
    streams: int = 0
    relays: int = 0
    received: int = 0
    """Bytes from publishers and other nodes."""
    sent: int = 0
    """Bytes to players and other nodes."""
    brought: Mapping[str, int] = MappingProxyType({})
    """Those of the bytes received that came from other nodes, by their ids."""


class LoadMeter:
    """Measures once each half second."""

    def __init__(
        self,
        counts: Callable[[], Counts],
        ill: Callable[[], str] = str,
        usable: Callable[[], bool] = lambda: True,
        capacity_bps: int = 0,
        carry: Callable[[Mapping[str, int]], None] = lambda bps: None,
    ) -> None:
        """`ill` says what the node suffers from, `usable` if it can serve all the same; `carry` is told what each other
        node brings.

        The capacity is that of the fastest interface if none is given.
        """
        self._counts = counts
        self._ill = ill
        self._usable = usable
        self._capacity_bps = capacity_bps
        self._carry = carry
        self._brought: dict[str, int] = {}
        self._lag_s = 0.0
        self._lags = deque([0.0], maxlen=LAGS)
        self._next_look: asyncio.TimerHandle
        self._carried = (0.0, 0, 0, 0, 0)
        self.load = Load()

    async def run(self) -> None:
        """Measure until cancelled."""
        self._look(time.monotonic())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._measure())
                if not self._capacity_bps:
                    tasks.create_task(self._watch_the_interfaces())
        finally:
            self._next_look.cancel()

    async def _measure(self) -> None:
        psutil.cpu_percent()
        cpu, mem, rx, tx = 0.0, 0.0, 0, 0
        while True:
            counts = self._counts()
            with suppress(OSError):  # where nothing can be opened, what was seen last must do
                cpu, mem = psutil.cpu_percent() / 100, psutil.virtual_memory().percent / 100
                rx, tx = self._rates(counts)
            self._lags.append(self._lag_s)
            self._lag_s = 0.0
            self.load = Load(
                cpu=_smooth(self.load.cpu, cpu),
                mem=mem,
                rx_bps=rx,
                tx_bps=tx,
                capacity_bps=self._capacity_bps,
                players=counts.players,
                streams=counts.streams,
                loop_lag_ms=round(1000 * median(self._lags), 1),
                ill=self._ill(),
                relays=counts.relays,
                usable=self._usable(),
            )
            await tick(PERIOD_S)

    def _look(self, due: float) -> None:
        """How late the loop came to a timer; the most of a period is kept. No task: this is what wakes an idle node."""
        now = time.monotonic()
        self._lag_s = max(self._lag_s, now - due)
        wait = next_tick(CLOSE_TICK_S if max(self._lag_s, self._lags[-1]) > LATE_S else TICK_S)
        self._next_look = asyncio.get_running_loop().call_later(wait, self._look, now + wait)

    async def _watch_the_interfaces(self) -> None:
        """The speed of the fastest interface that leads to others and knows its speed; 0 if none does."""
        while True:
            with suppress(OSError):
                stats = psutil.net_if_stats()
                speeds = [stats[name].speed for name in carriers(stats) if stats[name].isup]
                self._capacity_bps = max(speeds, default=0) * 1_000_000
            await asyncio.sleep(INTERFACES_S)

    def _rates(self, counts: Counts) -> tuple[int, int]:
        """What the interfaces carry, or what this node itself does, which may stay on this host."""
        now = time.monotonic()
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
        nics = [counters[name] for name in carriers(counters)]
        carried = sum(nic.bytes_recv for nic in nics), sum(nic.bytes_sent for nic in nics)
        then, *before = self._carried
        brought, self._brought = self._brought, dict(counts.brought)
        self._carried = (now, *carried, counts.received, counts.sent)
        if not then or now <= then:
            return 0, 0
        rates = [int((new - old) * 8 / (now - then)) for new, old in zip(self._carried[1:], before, strict=True)]
        self._carry({id: int((new - brought.get(id, 0)) * 8 / (now - then)) for id, new in self._brought.items()})
        received, sent, taken, served = [max(rate, 0) for rate in rates]
        return max(received, taken), max(sent, served)


def carriers(interfaces: Iterable[str]) -> list[str]:
    """Those that carry what goes to other hosts, each byte once: devices, rather than the bonds and bridges over them.

    Where there is no device, as in a container, those that lead to other hosts by their names.
    """
    interfaces = list(interfaces)
    devices = [name for name in interfaces if os.path.exists(f"{INTERFACES}/{name}/device")]
    return devices or [name for name in interfaces if outward(name)]


def _smooth(old: float, new: float) -> float:
    return round(old + SMOOTHING * (new - old), 3)
