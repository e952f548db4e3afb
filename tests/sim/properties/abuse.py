"""Members and strangers that lie do little harm to others."""

from contextlib import suppress
from dataclasses import replace

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.dialing import HELLOS, MAX_CANDIDATES
from mesh.gossip.event import MemberChanged
from mesh.gossip.introduction import NEWCOMERS
from mesh.gossip.ledger import CHUNK, MAX_BYTES, MAX_ENTRIES, MAX_PARTS, MAX_VALUE
from mesh.gossip.member import Lead, LeadState, Load, Status
from mesh.gossip.message import AskAge, Beat, Bye, Delta, Hello, Known, Pull, Snap, Sync
from mesh.gossip.roster import MAX_PEERS, MAX_PER_HOST, QUESTIONS
from mesh.media.wire import decode
from tests.gossip.lies import mutated
from tests.gossip.sample import CASES
from tests.sim.network import CONTROL, host_name
from tests.sim.process import Process
from tests.sim.property import holds, leads_of, nobody_was_held, publish
from tests.sim.stranger import Stranger
from tests.sim.world import World, agree, everyone_holds


@holds(every=2)
def lies_hurt_only_the_liar(world: World) -> None:
    """P12: bytes of a hostile member are taken or refused; what others said, and what they are held for, stays."""
    nodes = world.mesh(5)
    leads = {Lead(node.id, f"live/{node.key}", 1, LeadState.LIVE) for node in nodes}
    for node in nodes:
        publish(node, next(lead for lead in leads if lead.node == node.id))
    world.run(1)
    names = [name for node in nodes for name in (node.id, node.boot)]
    liar = nodes.pop(world.random.randrange(len(nodes)))
    honest = {lead for lead in leads if lead.node != liar.id}
    for _ in range(150):
        lie = mutated(world.random, world.random.choice(CASES), names)
        with suppress(WireError):
            world.network.send(liar, Address(host_name(world.random.choice(nodes).host), CONTROL), decode(lie))
        world.run(world.random.uniform(0, 0.05))
    world.run(3)
    for node in nodes:
        assert not node.superseded and everyone_holds(nodes, node, Status.ALIVE), f"n{node.key} was hurt"
        assert {lead for lead in leads_of(node) if lead.node != liar.id} == honest, f"n{node.key} believed a lie"


@holds(every=10)
def floods_are_bounded(world: World) -> None:
    """P11: whatever a member and strangers say, what it takes to remember and to answer them is bounded."""
    nodes = world.mesh(4)
    victim, member = nodes[0], nodes.pop()
    since = world.now
    strangers = mint(world, 4 * MAX_PER_HOST)
    for stranger in strangers:
        stranger.say(victim.host, Hello("sim", 1, stranger.card, Beat(1, 500, 1, 0, 1, 0, Load()), "10.0.0.1:7400"))
    world.run(1)
    liar = Stranger(world.network, member.host, member.id, member.boot)
    world.network.listen(liar)
    for _ in range(3):
        flood(world, liar, victim, strangers)
        world.run(0.3)
    assert_bounded(victim, liar, seconds=world.now - since)
    nobody_was_held(nodes, Status.DEAD, since)
    for node in nodes:
        assert node.status(victim) is victim.status(node) is Status.ALIVE, f"n{node.key} and the victim are parted"


@holds(every=50)
def members_made_up_are_few(world: World) -> None:
    """P11: of one host that makes members up, or names them anew, few are met; and the true ones notice nothing."""
    nodes = world.mesh(5)
    since, begun = world.now, [len(node.log) for node in nodes]
    ids = [f"{world.random.getrandbits(128):032x}" for _ in range(100)]
    for _ in range(150):
        boot = f"{world.random.getrandbits(64):016x}"
        stranger = Stranger(world.network, 99, world.random.choice(ids), boot)
        card = replace(stranger.card, incarnation=world.random.randrange(1, 1000))
        for node in nodes:
            stranger.say(node.host, Hello("sim", 1, card, Beat(1, 500, 1, 0, 1, 0, Load()), "10.0.0.1:7400"))
        world.run(0.1)
    rate, burst = NEWCOMERS
    most = burst + rate * (world.now - since)
    for node, before in zip(nodes, begun, strict=True):
        told = [event.new for _, event in node.log[before:] if isinstance(event, MemberChanged) and event.new]
        met = {new.card.boot for new in told if new.id in ids}
        assert 0 < len(met) <= most, f"n{node.key} met {len(met)}, expected no more than {most:.0f}"
        held = {held for _, id, held in node.verdicts(since) if id not in ids}
        assert not held, f"n{node.key} held others for {held}"


def mint(world: World, count: int) -> list[Stranger]:
    """Strangers with ids of their own, a third more on each host than are let in."""
    first, each = 100, MAX_PER_HOST * 4 // 3
    return [
        Stranger(world.network, first + number // each, f"{world.random.getrandbits(128):032x}")
        for number in range(count)
    ]


def flood(world: World, liar: Stranger, victim: Process, strangers: list[Stranger]) -> None:
    """Far too much of everything."""
    random, id, boot = world.random, liar.sender.id, liar.sender.boot
    rows = [(f"{random.getrandbits(128):032x}", boot, 1, 9) for _ in range(500)]
    hosts = tuple([f"10.9.{random.randrange(256)}.{n}:7400" for n in range(16)])
    value = bytes(MAX_VALUE)
    for part in range(MAX_PARTS):
        changes = tuple([(f"s/{part}/{n}", 10 + part, value) for n in range(CHUNK // MAX_VALUE)])
        liar.say(victim.host, Snap(id, boot, random.randrange(99), part, MAX_PARTS, changes))
        liar.say(victim.host, Delta(0, 1000 + part, tuple([(f"r/{part}/{n}", 900, b"") for n in range(200)])))
        if part % 16 == 0:
            liar.say(victim.host, Known(tuple(rows[part : part + 64]), (hosts,) * 64), Sync(tuple(rows), False))
        liar.say(victim.host, Pull(victim.id, victim.boot, 0), AskAge(strangers[part].sender.id, True))
        links = tuple([(random.randbytes(16), 1, 1) for _ in range(16)])
        liar.say(victim.host, Beat(random.randrange(1 << 40), 500, 1, 0, 1, 0, Load(), links))


def assert_bounded(victim: Process, liar: Stranger, seconds: float) -> None:
    membership, since = victim.membership, victim.now - seconds
    peers = [*membership._roster.peers.values()]
    hosts = [peer.member.address for peer in peers]
    assert len(peers) <= MAX_PEERS, f"{len(peers)} peers"
    assert max(map(hosts.count, hosts)) <= MAX_PER_HOST, "too many of one host"
    copy = membership._roster.peers[liar.sender.id].copy
    held = [change for part in copy._parts.values() for change in part.changes]
    assert len(copy.entries) <= MAX_ENTRIES and copy._bytes <= MAX_BYTES, f"{len(copy.entries)} entries"
    assert sum(len(value or b"") for _, _, value in held) <= MAX_BYTES, f"{len(held)} changes of a snapshot"
    assert len(membership._dialing._candidates) <= MAX_CANDIDATES, "too many addresses to try"
    tried = sum(candidate.tried > since for candidate in membership._dialing._candidates.values())
    assert tried <= HELLOS[1] + HELLOS[0] * seconds, f"{tried} addresses tried"
    assert max(len(peer.links) for peer in peers) <= MAX_PEERS, "links to nobody"
    rate, burst = QUESTIONS
    answers = 3 * (burst + rate * seconds)  # one to a question: a snapshot of few parts, or what is known in chunks
    assert liar.heard <= answers, f"{liar.heard} answers"


@holds()
def a_forged_goodbye_costs_a_moment(world: World) -> None:
    """Whoever says goodbye in another's name, that other is back a round trip later, and it does not work twice."""
    nodes = world.mesh(6)
    victim = world.random.choice(nodes)
    stranger = Stranger(world.network, 99, victim.id, victim.boot)
    rest = [node for node in nodes if node is not victim]
    since = world.now
    for node in rest:
        stranger.say(node.host, Bye())
    assert world.run(0.1, lambda: any(node.status(victim) is Status.LEFT for node in rest)), "it was not believed"
    world.run(0.01)
    assert everyone_holds(nodes, victim, Status.ALIVE), "it is not back"
    for node in rest:
        stranger.say(node.host, Bye())
    world.run(2)
    for node in rest:
        held = [held for _, id, held in node.verdicts(since) if id == victim.id]
        assert held == [Status.LEFT, Status.ALIVE], f"n{node.key} held it for {held}"
    assert agree(nodes)
