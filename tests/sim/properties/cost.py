"""What a mesh costs, and how it stays bounded as it grows."""

from mesh.gossip.member import Status
from mesh.gossip.overlay import PERIOD, SLOWER_BEYOND
from tests.sim.process import Process
from tests.sim.properties.agreement import scribble
from tests.sim.property import holds
from tests.sim.world import World, everyone_holds

BYTES = {8: 4_000, 32: 14_000, 100: 40_000, 200: 40_000}
"""A second that a node of so many may send, without what TCP and encryption add."""
COUNTED_S = 4


def most_sent(world: World, nodes: list[Process]) -> float:
    """The most that any of these sends in a second, while streams come and go."""
    world.network.counting = True
    for _ in range(COUNTED_S):
        scribble(world, world.random.choice(nodes))
        world.run(1)
    return max(node.bytes for node in nodes) / COUNTED_S


def gossip_is_cheap(world: World, size: int) -> None:
    spent = most_sent(world, world.mesh(size))
    assert spent <= BYTES[size], f"{spent:.0f} bytes a second, expected no more than {BYTES[size]}"


@holds(every=4)
def gossip_of_eight_is_cheap(world: World) -> None:
    """P17: 8 nodes send at most 4 kB/s each."""
    gossip_is_cheap(world, 8)


@holds(every=20)
def gossip_of_32_is_cheap(world: World) -> None:
    """P17: 32 nodes send at most 14 kB/s each."""
    gossip_is_cheap(world, 32)


@holds(every=1000)
def gossip_of_a_hundred_is_cheap(world: World) -> None:
    """P17: a hundred nodes send at most 40 kB/s each."""
    gossip_is_cheap(world, 100)


@holds(every=5000)
def two_hundred_beat_slower_and_say_so(world: World) -> None:
    """Two hundred nodes meet, beat as many times slower as there are more than 64, and find out a silent death."""
    size = 200
    nodes = world.mesh(size)
    period = PERIOD * size / SLOWER_BEYOND
    assert most_sent(world, nodes) <= BYTES[size]
    told = {peer.pulse.period for node in nodes for peer in node.membership._roster.peers.values()}
    assert told == {round(period, 3)}, f"told of beats each {told} s"
    world.crash(nodes[-1], fin=False)
    within = 7 * period
    assert world.run(within, lambda: everyone_holds(nodes[:-1], nodes[-1], Status.DEAD)), f"not known after {within} s"
