"""The opponent is worth something: it finds the dead in its time, hears objections and forgives stalls."""

import statistics

from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.swim import Swim, SwimWorld
from tests.sim.world import everyone_holds


def seconds_until_known(seed: int, size: int, loss: float = 0.0) -> float:
    world = SwimWorld(seed, Weather(loss=loss))
    nodes = world.swim(size)
    victim = nodes.pop(world.random.randrange(size))
    world.crash(victim, fin=False)
    died = world.now
    assert world.run(60, lambda: everyone_holds(nodes, victim, Status.DEAD))
    return world.now - died


def dead(nodes: list[Swim]) -> int:
    return sum(held is Status.DEAD for node in nodes for _, _, held in node.verdicts())


def test_a_host_that_goes_down_is_known_to_all_as_fast_as_memberlist_would():
    for size, loss, least, most in ((8, 0.0, 5, 7), (32, 0.0, 7, 9), (32, 0.05, 7, 9)):
        assert least < statistics.median(seconds_until_known(seed, size, loss) for seed in range(7)) < most


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
