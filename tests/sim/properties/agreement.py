"""All come to hold the same."""

from mesh.gossip.ledger import Copy, Ledger, snapshot
from mesh.gossip.member import Lead, LeadState
from mesh.gossip.message import Delta
from tests.sim.network import Weather
from tests.sim.process import Process
from tests.sim.property import holds, leads_of, others, publish
from tests.sim.world import World, agree

BEAT_S = 0.6
"""The longest time between two beats, and a round trip."""


def scribble(world: World, node: Process) -> Lead | None:
    """Let a node publish or withdraw something."""
    stream = f"live/{world.random.randrange(5)}"
    if world.random.random() < 0.3:
        node.do(lambda membership, now: membership.delete(f"s/{stream}"))
        return None
    lead = Lead(node.id, stream, world.random.randrange(1, 9), LeadState.LIVE, kbps=world.random.getrandbits(30))
    publish(node, lead)
    return lead


def versions_of(node: Process) -> dict[str, tuple[int, int]]:
    """How far a node is with each of the others."""
    peers = node.membership._roster.peers.values()
    return {peer.id: (peer.member.card.incarnation, peer.copy.version) for peer in peers}


@holds(Weather(loss=0.05, drop=0.2))
def all_become_equal(world: World) -> None:
    """P1, P2: quiet and connected all hold the same, and never what its origin did not say, nor older than before."""
    nodes = world.mesh(6)
    written: set[Lead | None] = set()
    seen: dict[Process, dict[str, tuple[int, int]]] = {node: {} for node in nodes}
    for _ in range(40):
        written.add(scribble(world, world.random.choice(nodes)))
        if world.random.random() < 0.1:
            part = world.random.sample(nodes, world.random.randrange(1, 4))
            world.cut(part, others(nodes, *part), both=world.random.random() < 0.7)
        if world.random.random() < 0.2:
            world.heal()
        world.run(world.random.uniform(0, 0.3))
        for node in nodes:
            assert leads_of(node) <= written, f"n{node.key} holds what nobody said"
            now = versions_of(node)
            assert all(now[id] >= version for id, version in seen[node].items()), f"n{node.key} went back"
            seen[node] = now
    world.heal()
    assert world.run(8, lambda: agree(nodes)), "not equal 8 s later"
    assert len({frozenset(leads_of(node)) for node in nodes}) == 1, "equal digests, but not tables"


@holds()
def merging_knows_no_order(world: World) -> None:
    """P10: whatever comes late, twice or never, a copy never goes back, and one pull later is what its origin says."""
    random, ledger, copy = world.random, Ledger(), Copy("boot")
    said = []
    for _ in range(60):
        key, before = f"s/{random.randrange(12)}", ledger.version
        ledger.delete(key) if random.random() < 0.3 else ledger.put(key, random.randbytes(4))
        said += ledger.deltas(random.randint(0, before)) or []
        if random.random() < 0.2:
            said += snapshot("origin", "boot", ledger.version, ledger.entries)
    for message in random.choices(said, k=2 * len(said)):
        before = copy.version
        copy.apply(message) if isinstance(message, Delta) else copy.assemble(message)
        assert copy.version >= before, "it went back"
    for message in ledger.deltas(copy.version) or []:
        copy.apply(message)
    assert (copy.version, copy.entries) == (ledger.version, ledger.entries)


@holds(Weather(latency=(0.0002, 0.01)))
def rivals_are_settled_alike(world: World) -> None:
    """P16: of several that lead one stream all nodes see the same one lead."""
    nodes = world.mesh(6)
    for node in world.random.sample(nodes, 3):
        publish(node, Lead(node.id, "live/x", world.random.randrange(1, 3), LeadState.LIVE))
    world.run(0.02)
    assert len({node.membership.tables.leader("live/x") for node in nodes}) == 1


def changes_are_known(world: World, drops: tuple[float, ...], within: float) -> None:
    """Let some of what nodes say be lost as it is published."""
    nodes = world.mesh(8)
    for _ in range(5):
        node = world.random.choice(nodes)
        world.network.weather.drop = world.random.choice(drops)
        lead = Lead(node.id, "live/x", world.random.randrange(1 << 20), LeadState.CLAIM)
        publish(node, lead)
        world.network.weather.drop = 0.0
        known = world.run(within, lambda lead=lead: all(lead in leads_of(node) for node in nodes))
        assert known, f"not known after {within} s"


@holds()
def a_change_takes_one_hop(world: World) -> None:
    """What one node puts all others hold one flight later."""
    changes_are_known(world, (0.0,), 0.002)


@holds()
def a_change_that_is_lost_takes_one_heartbeat(world: World) -> None:
    """If the message is lost to some or to all, they hold it a heartbeat later."""
    changes_are_known(world, (0.5, 1.0), BEAT_S)
