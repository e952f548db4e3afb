"""Properties: what must hold of a mesh whatever happens to it, each tried in seeded worlds.

A property takes a world, does harm to it and raises `AssertionError` where it does not hold. P1 to P17 are the numbers
under which the design promises them.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mesh.gossip.member import Lead, Replica, Status
from tests.sim.network import Weather
from tests.sim.process import Process
from tests.sim.world import World

Check = Callable[[World], None]


class Property(NamedTuple):
    """What must hold, and where it is tried."""

    check: Check
    weather: Weather
    every: int
    """It is tried in every so manieth world: some are large."""

    def seeds(self, first: int, count: int) -> range:
        """Those of so many seeds in which it is tried."""
        return range(first + -first % self.every, first + count, self.every)


PROPERTIES: dict[str, Property] = {}
"""By name."""


class Failed(AssertionError):
    """A property that did not hold."""

    def __init__(self, name: str, world: World, reason: object) -> None:
        super().__init__(f"{reason}\n  to see it: tools/sim run {name} --seed {world.seed}")
        self.world = world


def holds(weather: Weather | None = None, every: int = 1) -> Callable[[Check], Check]:
    """Register a property under the name of its function."""

    def register(check: Check) -> Check:
        PROPERTIES[check.__name__.replace("_", "-")] = Property(check, weather or Weather(), every)
        return check

    return register


def try_out(name: str, seed: int) -> World:
    """Try a property in the world of a seed. Raises `Failed`."""
    check, weather, _ = PROPERTIES[name]
    world = World(seed, Weather(weather.latency, weather.loss, weather.drop))
    try:
        check(world)
    except AssertionError as error:
        raise Failed(name, world, error) from None
    except Exception as error:
        raise Failed(name, world, f"{type(error).__name__}: {error}") from error
    return world


def others(nodes: Iterable[Process], *without: Process) -> list[Process]:
    return [node for node in nodes if node not in without]


def nobody_was_held(nodes: Iterable[Process], status: Status, since: float) -> None:
    """Assert that none of these held anybody for this since then."""
    for node in nodes:
        for when, id, held in node.verdicts(since):
            assert held is not status, f"n{node.key} held {id[:6]} for {status} at {when:.3f}"


def publish(node: Process, entry: Lead | Replica) -> None:
    node.do(lambda membership, now: membership.put(entry))


def leads_of(node: Process) -> set[Lead]:
    """Everything about streams that a node holds."""
    tables = node.membership.tables
    return {lead for stream in tables.streams() for lead in tables.leads(stream)}
