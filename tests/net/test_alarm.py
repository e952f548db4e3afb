import asyncio
from math import inf

from mesh.net.alarm import Alarm


class Core:
    """Wants to be called at certain times."""

    def __init__(self) -> None:
        self.due: list[float] = []
        self.called: list[float] = []

    def get_timer(self) -> float:
        return min(self.due, default=inf)

    def handle_timer(self, now: float) -> None:
        if any(time <= now for time in self.due):
            self.called.append(now)
        self.due = [time for time in self.due if time > now]


def rung(*steps: tuple[float, ...]) -> list[float]:
    """When a core is called, in ms, whose due times (in ms) change at 0 and 5 ms."""

    async def run() -> list[float]:
        loop, core = asyncio.get_running_loop(), Core()
        alarm = Alarm(core, lambda: alarm.set())
        start = loop.time()
        for due in steps:
            core.due = [start + time / 1000 for time in due]
            alarm.set()
            await asyncio.sleep(0.005)
        await asyncio.sleep(max(core.due, default=start) - loop.time() + 0.05)
        return [(time - start) * 1000 for time in core.called]

    return asyncio.run(run())


def test_it_rings_when_it_is_time_and_again() -> None:
    first, second = rung((10, 200))
    assert 10 <= first < 200 <= second


def test_it_rings_for_a_time_that_was_moved_up() -> None:
    (once,) = rung((10_000,), (10,))
    assert 10 <= once < 1000


def test_it_does_not_ring_for_a_time_that_was_put_off() -> None:
    (once,) = rung((200,), (300,))
    assert once >= 300


def test_without_a_time_it_is_silent() -> None:
    assert rung(()) == []


def test_it_can_be_cancelled() -> None:
    async def run() -> list[float]:
        core = Core()
        core.due = [asyncio.get_running_loop().time() + 0.005]
        alarm = Alarm(core, lambda: None)
        alarm.set()
        alarm.cancel()
        await asyncio.sleep(0.02)
        return core.called

    assert asyncio.run(run()) == []
