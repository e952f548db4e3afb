"""Load: what this node's machine and event loop are under, for its heartbeats."""

import asyncio
import time
from collections.abc import Callable

import psutil

from mesh.gossip.member import Load

PERIOD_S = 0.5
TICK_S = 0.05
"""How often the event loop is asked to be on time."""
SMOOTHING = 0.5


class LoadMeter:
    """Measures once each half second."""

    def __init__(self, players: Callable[[], int], streams: Callable[[], int]) -> None:
        self._players = players
        self._streams = streams
        self._lag_s = 0.0
        self._network = (0.0, 0, 0)
        self.load = Load()

    async def run(self) -> None:
        """Measure until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._measure())
            tasks.create_task(self._watch_the_loop())

    async def _measure(self) -> None:
        psutil.cpu_percent()
        while True:
            rx, tx = self._rates()
            lag_ms, self._lag_s = self._lag_s * 1000, 0.0
            old = self.load
            self.load = Load(
                cpu=_smooth(old.cpu, psutil.cpu_percent() / 100),
                mem=psutil.virtual_memory().percent / 100,
                rx_bps=rx,
                tx_bps=tx,
                capacity_bps=_capacity_bps(),
                players=self._players(),
                streams=self._streams(),
                loop_lag_ms=round(lag_ms, 1),
            )
            await asyncio.sleep(PERIOD_S)

    async def _watch_the_loop(self) -> None:
        """The most that the loop came late in a period, by a timer that does nothing else."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self._lag_s = max(self._lag_s, loop.time() - due)

    def _rates(self) -> tuple[int, int]:
        now, counters = time.monotonic(), psutil.net_io_counters()
        then, received, sent = self._network
        self._network = (now, counters.bytes_recv, counters.bytes_sent)
        if not then or now <= then:
            return 0, 0
        bits = 8 / (now - then)
        return int((counters.bytes_recv - received) * bits), int((counters.bytes_sent - sent) * bits)


def _smooth(old: float, new: float) -> float:
    return round(old + SMOOTHING * (new - old), 3)


def _capacity_bps() -> int:
    """The speed of the fastest interface that is up and knows its speed; loopback does not count."""
    speeds = [stats.speed for name, stats in psutil.net_if_stats().items() if stats.isup and name != "lo"]
    return max(speeds, default=0) * 1_000_000
