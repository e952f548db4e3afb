"""Convergence: how long it takes until all hold the same again after something has changed."""

from collections.abc import Callable
from typing import NamedTuple

from mesh.gossip.member import Lead, LeadState
from tests.sim.process import Process
from tests.sim.properties.agreement import scribble
from tests.sim.property import leads_of, others, publish
from tests.sim.world import World, agree

NEVER_S = 60.0


def change(world: World, nodes: list[Process], drop: float) -> float:
    """A node begins to lead a stream; this share of those who should hear of it do not."""
    node = world.random.choice(nodes)
    lead = Lead(node.id, "live/x", 1, LeadState.LIVE)
    world.network.weather.drop = drop
    publish(node, lead)
    world.network.weather.drop = 0.0
    return passed(world, lambda: all(lead in leads_of(other) for other in nodes))


def partition(world: World, nodes: list[Process]) -> float:
    """A mesh that was cut in two, on both sides of which something changed, is whole again."""
    part = world.random.sample(nodes, world.random.randrange(1, len(nodes)))
    world.cut(part, others(nodes, *part))
    world.run(world.random.uniform(0, 30))
    for side in (part, others(nodes, *part)):
        scribble(world, world.random.choice(side))
    world.run(2)
    world.heal()
    return passed(world, lambda: agree(nodes))


def restart(world: World, nodes: list[Process]) -> float:
    """A node that was killed starts anew without what it remembered."""
    old = world.random.choice(nodes)
    world.crash(old)
    world.run(world.random.uniform(0, 10))
    new = world.restart(old, disk=False)
    new.dial(*[host for host in (0, 1) if host != new.host], kept=True)
    return passed(world, lambda: agree([*others(nodes, old), new]))


def passed(world: World, until: Callable[[], bool]) -> float:
    """Seconds until something is so."""
    began = world.now
    world.run(NEVER_S, until)
    return world.now - began


class Promise(NamedTuple):
    """What is measured, and the most that it may take."""

    measure: Callable[[World, list[Process]], float]
    most_s: float


PROMISES = {
    "a change": Promise(lambda world, nodes: change(world, nodes, 0.0), 0.05),
    "a change that is lost to all": Promise(lambda world, nodes: change(world, nodes, 1.0), 0.6),
    "a partition": Promise(partition, 3.0),
    "a restart without its disk": Promise(restart, 1.0),
}


def convergence(size: int, seed: int) -> list[float]:
    """Each of these, in a world of its own."""
    found = []
    for promise in PROMISES.values():
        world = World(seed)
        found.append(promise.measure(world, world.mesh(size)))
    return found
