"""A seed is a world: whatever happens in it happens again."""

from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.property import holds
from tests.sim.world import World


def rough(seed: int, clocks: int = 1) -> World:
    """A world in which much happens."""
    world = World(seed, Weather((0.0005, 0.02), loss=0.1, drop=0.1), clocks)
    nodes = world.mesh(5)
    world.cut(nodes[:2], nodes[2:])
    world.run(3)
    nodes[3].stall(2.5)
    world.heal()
    world.crash(nodes[4])
    world.run(3)
    world.restart(nodes[4], disk=False).dial(0)
    world.run(3)
    return world


@holds(every=4)
def nobodys_clock_makes_a_difference(world: World) -> None:
    """P13: with clocks up to a year apart the same happens as with clocks that agree."""
    apart, together = rough(world.seed, clocks=1), rough(world.seed, clocks=0)
    assert any(held is Status.DEAD for node in apart.processes for _, _, held in node.verdicts()), "nothing happened"
    assert apart.trace_hash == together.trace_hash


@holds(every=4)
def the_same_seed_is_the_same_world(world: World) -> None:
    """P14: every message and every event at its moment."""
    assert rough(world.seed).trace_hash == rough(world.seed).trace_hash
