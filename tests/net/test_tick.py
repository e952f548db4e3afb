from time import monotonic

import pytest

from mesh.net.tick import EARLY_S, next_tick, tick
from tests.net.asynctest import asynctest


@pytest.mark.parametrize(("often", "rarely"), [(0.1, 0.5), (0.25, 1.0), (0.1, 0.1)])
def test_periods_of_which_one_is_a_multiple_of_the_other_have_moments_in_common(often: float, rarely: float) -> None:
    for _ in range(100):
        near, far = next_tick(often), next_tick(rarely)
        apart = (far - near) % often
        assert EARLY_S < near <= often + EARLY_S
        assert EARLY_S < far <= rarely + EARLY_S
        assert min(apart, often - apart) < 0.01


@asynctest
async def test_a_tick_ends_at_the_next_of_these_moments() -> None:
    for _ in range(5):
        began, wait = monotonic(), next_tick(0.01)
        await tick(0.01)
        assert monotonic() - began >= wait - 0.001


@asynctest
async def test_each_moment_is_waited_for_once_though_timers_end_early() -> None:
    began = monotonic()
    for _ in range(40):
        await tick(0.01)
    assert monotonic() - began >= 0.38
