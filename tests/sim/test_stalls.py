import statistics

import pytest

from tests.sim.detection import memberlist, ours
from tests.sim.stalls import CELLS, SIZE, WHOLE, WORST, FalseDeaths, false_deaths

NONE = FalseDeaths(0, 0)


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_stalls_of_some_kill_none_of_the_others(cell):
    assert false_deaths(*ours(1, 16), cell, lasts=60) == NONE


def test_the_worst_stalls_kill_in_memberlist_as_many_as_another_model_of_it_saw():
    """That one, without push and pull and without TCP, saw 34 false deaths in a world, 23 of them at healthy nodes."""
    found = [false_deaths(*memberlist(seed, SIZE, tcp=False), WORST) for seed in range(8)]
    everywhere, at_the_healthy = (statistics.mean(counts) for counts in zip(*found, strict=True))
    assert 17 < everywhere < 68
    assert 11 < at_the_healthy < 46


def test_stalls_that_stop_its_timers_too_kill_nobody_in_memberlist():
    assert false_deaths(*memberlist(4, SIZE), WHOLE) == NONE


def test_stalls_that_block_its_loops_too_kill_nobody_in_memberlist():
    assert false_deaths(*memberlist(4, SIZE, blocks=True), WORST) == NONE
