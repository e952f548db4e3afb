import asyncio
from time import monotonic

from mesh.net.tick import tick
from tests.net.asynctest import asynctest


@asynctest
async def test_chores_of_related_periods_wake_together() -> None:
    async def chore(period_s: float) -> list[float]:
        times = []
        while monotonic() < over:
            await tick(period_s)
            times.append(monotonic())
        return times

    over = monotonic() + 0.25
    often, rarely = await asyncio.gather(chore(0.02), chore(0.06))
    assert len(often) >= 8 and len(rarely) >= 3
    for woke in rarely:
        assert min(abs(woke - other) for other in often) < 0.01


@asynctest
async def test_a_tick_is_never_longer_than_its_period() -> None:
    for _ in range(10):
        began = monotonic()
        await tick(0.01)
        assert monotonic() - began < 0.1
