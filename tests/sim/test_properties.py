"""Every property in a few dozen worlds; `tools/sim check` tries as many as you like."""

import pytest

from tests.sim.properties import PROPERTIES, try_out

SEEDS = 16


@pytest.mark.parametrize("name", PROPERTIES)
def test_it_holds(name):
    for seed in range(SEEDS):
        try_out(name, seed)
