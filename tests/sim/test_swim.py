"""The opponent is worth something: it finds the dead in its time, hears objections and forgives stalls."""

import statistics

import pytest

from mesh.gossip.member import Status
from tests.sim.detection import deaths
from tests.sim.network import Weather
from tests.sim.swim import Swim, SwimWorld
from tests.sim.world import everyone_holds


def dead(nodes: list[Swim]) -> int:
    return sum(held is Status.DEAD for node in nodes for _, _, held in node.verdicts())


@pytest.mark.parametrize(("size", "loss", "seconds"), [(8, 0.0, 6.1), (32, 0.0, 8.3), (32, 0.05, 8.2)])
def test_a_host_that_goes_down_is_known_to_all_as_fast_as_in_another_model_of_memberlist(size, loss, seconds):
    """That one had neither push and pull nor TCP."""
    known = (deaths("without TCP", size, loss, seed)[0].everyone for seed in range(21))
    assert statistics.median(known) == pytest.approx(seconds, rel=0.12)


def test_lost_packets_kill_nobody():
    world = SwimWorld(1, Weather(loss=0.1))
    nodes = world.swim(16)
    world.run(120)
    assert dead(nodes) == 0


def test_a_suspect_objects_and_lives():
    world = SwimWorld(2)
    nodes = world.swim(16)
    nodes[3].stall(5)
    world.run(30)
    assert any(held is Status.SUSPECT for node in nodes for _, id, held in node.verdicts() if id == 3)
    assert dead(nodes) == 0
    assert everyone_holds(nodes, nodes[3], Status.ALIVE)


def test_who_hears_nothing_learns_that_it_is_ill():
    world = SwimWorld(3)
    nodes = world.swim(16)
    nodes[3].stall(8)
    world.run(8)
    assert nodes[3].health > max(node.health for node in nodes if node is not nodes[3])
