from tests.sim.stalls import CELLS, FalseDeaths, Stalls, false_deaths
from tests.sim.swim import SwimWorld
from tests.sim.world import World


def test_stalls_of_some_kill_none_of_the_others():
    world = World(1)
    assert false_deaths(world, world.mesh(8), Stalls(2, 8, 1), lasts=30) == FalseDeaths(0, 0)


def test_the_worst_stalls_are_bad_enough_to_tell_detectors_apart():
    """Notes on another model of the same gave some 34 false deaths, 23 of them at healthy nodes."""
    found = []
    for seed in range(3):
        world = SwimWorld(seed)
        found.append(false_deaths(world, world.swim(32, tcp=False), CELLS[-1]))
    everywhere, at_the_healthy = (sum(counts) / len(found) for counts in zip(*found, strict=True))
    assert 10 < everywhere < 100
    assert 0 < at_the_healthy < everywhere


def test_stalls_that_block_its_loops_too_kill_nobody_in_memberlist():
    world = SwimWorld(4)
    assert false_deaths(world, world.swim(32, blocks=True), CELLS[-1]) == FalseDeaths(0, 0)
