from time import monotonic

import pytest

from mesh.net.tick import next_tick, tick
from tests.net.asynctest import asynctest


@pytest.mark.parametrize(("often", "rarely"), [(0.1, 0.5), (0.25, 1.0), (0.1, 0.1)])
def test_periods_of_which_one_is_a_multiple_of_the_other_have_moments_in_common(often: float, rarely: float) -> None:
    for _ in range(100):
        near, far = next_tick(often), next_tick(rarely)
        apart = (far - near) % often
        assert 0 < near <= often
        assert 0 < far <= rarely
        assert min(apart, often - apart) < 0.01


@asynctest
async def test_a_tick_ends_at_the_next_of_these_moments() -> None:
    for _ in range(5):
        began, wait = monotonic(), next_tick(0.01)
        await tick(0.01)
        assert monotonic() - began >= wait - 0.001
