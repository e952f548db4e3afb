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
LOOPBACK = "lo"


class LoadMeter:
    """Measures once each half second."""

    def __init__(self, players: Callable[[], int], streams: Callable[[], int], sent: Callable[[], int]) -> None:
        """`sent` counts the bytes that this node itself has sent to players."""
        self._players = players
        self._streams = streams
        self._sent = sent
        self._lag_s = 0.0
        self._counted = (0.0, 0, 0, 0)
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
        """What the interfaces carry; loopback counts for nothing but what this node sends over it."""
        now = time.monotonic()
        nics = [counters for name, counters in psutil.net_io_counters(pernic=True).items() if name != LOOPBACK]
        counts = sum(nic.bytes_recv for nic in nics), sum(nic.bytes_sent for nic in nics), self._sent()
        then, *before = self._counted
        self._counted = now, *counts
        if not then or now <= then:
            return 0, 0
        received, sent, served = (int((new - old) * 8 / (now - then)) for new, old in zip(counts, before, strict=True))
        return received, max(sent, served)


def _smooth(old: float, new: float) -> float:
    return round(old + SMOOTHING * (new - old), 3)


def _capacity_bps() -> int:
    """The speed of the fastest interface that is up and knows its speed; 0 if none does."""
    speeds = [stats.speed for name, stats in psutil.net_if_stats().items() if stats.isup and name != LOOPBACK]
    return max(speeds, default=0) * 1_000_000
