"""Detection: how long it takes until a death is known, ours beside memberlist's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.process import Process
from tests.sim.swim import Swim, SwimWorld
from tests.sim.world import World, everyone_holds

NEVER_S = 60.0

Nodes = Sequence[Process] | Sequence[Swim]


def ours(seed: int, size: int, loss: float = 0.0) -> tuple[World, Nodes]:
    """A world of this seed, and a mesh of this size in it."""
    world = World(seed, Weather(loss=loss))
    return world, world.mesh(size)


def memberlist(seed: int, size: int, loss: float = 0.0, tcp: bool = True, blocks: bool = False) -> tuple[World, Nodes]:
    """The same of nodes that go by SWIM."""
    world = SwimWorld(seed, Weather(loss=loss))
    return world, world.swim(size, tcp, blocks)


DETECTORS: dict[str, Callable[[int, int, float], tuple[World, Nodes]]] = {
    "ours": ours,
    "memberlist": memberlist,
    "without TCP": lambda seed, size, loss: memberlist(seed, size, loss, tcp=False),
    "whose loops block": lambda seed, size, loss: memberlist(seed, size, loss, blocks=True),
}
"""Who is tried in the same worlds."""

DEATHS = {"host goes down": False, "process ends": True}
"""And whether connections close with it."""


class Detection(NamedTuple):
    """Seconds until a death was known."""

    first: float
    everyone: float


def deaths(by: str, size: int, loss: float, seed: int) -> list[Detection]:
    """In the world of this seed one node after the other dies, of each of the `DEATHS`."""
    world, nodes = DETECTORS[by](seed, size, loss)
    found, living = [], [*nodes]
    for fin in DEATHS.values():
        victim = living.pop(world.random.randrange(len(living)))
        world.crash(victim, fin)
        found.append(detection(world, living, victim))
    return found


def detection(world: World, rest: Nodes, victim: Process | Swim) -> Detection:
    """How long the rest take to find out."""
    died = world.now
    world.run(NEVER_S, lambda: any(node.status(victim) is Status.DEAD for node in rest))
    first = world.now - died
    world.run(NEVER_S, lambda: everyone_holds(rest, victim, Status.DEAD))
    return Detection(first, world.now - died)
