"""Stalls: nodes that hear and send nothing for a while, again and again, and who is held for dead because of it.

The anomalies of the Lifeguard paper: timers run on, so who stalls finds everyone else silent; or, in the last
cell, they stop as well, as those of a process do that is stopped.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mesh.gossip.member import Status
from tests.sim.process import Process
from tests.sim.swim import Swim
from tests.sim.world import World

SIZE = 32
LASTS_S = 120.0
APART_S = 1.0
"""Within which the first stalls begin."""


class Stalls(NamedTuple):
    """A cell of the matrix."""

    nodes: int
    seconds: float
    gap: float
    timers: bool = True
    """Whether they run on."""

    def __str__(self) -> str:
        return f"{self.nodes}, {self.seconds:g} s / {self.gap:g} s" + ("" if self.timers else ", timers too")


WORST = Stalls(8, 32, 2)
WHOLE = WORST._replace(timers=False)
CELLS = (Stalls(1, 8, 8), Stalls(4, 16, 2), Stalls(8, 8, 1), WORST, WHOLE)


class FalseDeaths(NamedTuple):
    """Deaths of nodes that never stalled, counted at every node that came to believe them."""

    everywhere: int
    at_the_healthy: int


def false_deaths(
    world: World, nodes: Sequence[Process] | Sequence[Swim], stalls: Stalls, lasts: float = LASTS_S
) -> FalseDeaths:
    """Let some of these nodes stall again and again."""
    slow = world.random.sample(nodes, stalls.nodes)
    healthy = [node for node in nodes if node not in slow]
    since, innocent = world.now, {node.id for node in healthy}

    def stall(node: Process | Swim) -> None:
        if world.now < since + lasts:
            node.stall(stalls.seconds, stalls.timers)
            world.after(stalls.seconds + stalls.gap, stall, node)

    for node in slow:
        world.after(world.random.uniform(0, APART_S), stall, node)
    world.run(lasts)

    def believed(observers: Sequence[Process | Swim]) -> int:
        verdicts = [verdict for node in observers for verdict in node.verdicts(since)]
        return sum(held is Status.DEAD and id in innocent for _, id, held in verdicts)

    return FalseDeaths(believed([*nodes]), believed(healthy))
