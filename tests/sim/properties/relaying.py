"""Who fetches a stream from whom: never in a ring for long.

The wires are left out: a follower hears its supplier's path with what its node says of itself. Whom it may fetch from,
and which path it must refuse, is what the nodes themselves go by.
"""

from mesh.balance.supply import suppliers
from mesh.gossip.member import Lead, LeadState, Replica
from mesh.relay.message import Opened
from tests.sim.network import Weather
from tests.sim.process import Process
from tests.sim.property import holds, others, publish
from tests.sim.world import World, agree

STREAM = "live/x"
LOOK_S = 0.1
"""Between two looks of a follower at its supplier."""
QUIET_S = 8.0
"""After the last harm."""


def path_of(node: Process, supplier: str) -> tuple[str, ...] | None:
    """The nodes from the leader down to a supplier, as this node is told; None if it has the stream no more."""
    tables = node.membership.tables
    lead = tables.leader(STREAM)
    if lead and lead.node == supplier:
        return (supplier,)
    return next(((*held.path, supplier) for held in tables.replicas(STREAM) if held.node == supplier), None)


def follow(world: World, node: Process, supplier: str = "") -> None:
    """Keep to a supplier while its path is good; else take one of the best two others. Look again in a while."""
    tables = node.membership.tables
    lead = tables.leader(STREAM)
    if not node.alive:
        return
    found = () if lead and lead.node == node.id else suppliers(STREAM, tables)
    if not good(node, found, supplier):
        best = [other for other in found if good(node, found, other)][:2]
        supplier = world.random.choice(best) if best else ""
    if supplier:
        publish(node, Replica(node.id, STREAM, 1, supplier, path_of(node, supplier) or ()))
    else:
        node.do(lambda membership, now: membership.delete(f"r/{STREAM}"))
    world.after(LOOK_S * world.random.uniform(0.5, 1.5), follow, world, node, supplier)


def good(node: Process, found: tuple[str, ...], supplier: str) -> bool:
    """Whether this is a supplier whose path begins somewhere and does not lead through the node."""
    path = path_of(node, supplier)
    return supplier in found and path is not None and not Opened(STREAM, 1, None, path).endless(node.id)


def begin(node: Process, epoch: int) -> None:
    publish(node, Lead(node.id, STREAM, epoch, LeadState.LIVE))


@holds(Weather(latency=(0.0002, 0.02), loss=0.02, drop=0.05), every=2)
def relays_end_at_the_leader(world: World) -> None:
    """P16: however leaders change, nodes die and links break, in the end everyone is fed from the leader in no ring."""
    nodes = world.mesh(7)
    leader = nodes[0]
    begin(leader, 1)
    for node in nodes:
        follow(world, node)
    for epoch in range(2, 6):
        world.run(world.random.uniform(0.1, 2))
        match world.random.randrange(3):
            case 0:
                leader = world.random.choice(nodes)
                begin(leader, epoch)
            case 1 if len(nodes) > 4:
                victim = world.random.choice(others(nodes, leader))
                nodes.remove(victim)
                world.crash(victim, fin=world.random.random() < 0.5)
            case _:
                world.cut(*[[node] for node in world.random.sample(nodes, 2)])
    world.heal()
    world.run(QUIET_S)
    assert agree(nodes), "not equal"
    supplier_of = {held.node: held.supplier for held in leader.membership.tables.replicas(STREAM)}
    for node in others(nodes, leader):
        seen, at = [node.id], supplier_of.get(node.id)
        while at is not None and at not in seen:
            seen, at = [*seen, at], supplier_of.get(at)
        assert seen[-1] == leader.id and at is None, f"n{node.key} is fed by {[id[:6] for id in seen[1:]]}, then {at}"
