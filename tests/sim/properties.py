"""What must hold of a mesh whatever happens to it, each tried in a seeded world.

A property takes a seed, makes a world of it, does harm to it and raises `AssertionError` where it does not hold. P1 to
P17 are the numbers under which the design promises them.
"""

from collections.abc import Callable

from mesh.gossip.event import Refused
from mesh.gossip.member import Lead, LeadState, Replica, Status
from tests.sim.network import Weather
from tests.sim.process import Process
from tests.sim.world import FORM_S, World, agree, everyone_holds

Property = Callable[[World], None]

PROPERTIES: dict[str, tuple[Property, Weather]] = {}
"""By name: what must hold, and the weather in which it is tried."""

HEALED_S = 3.0


class Failed(AssertionError):
    """A property that did not hold."""

    def __init__(self, name: str, world: World, reason: object) -> None:
        super().__init__(f"{reason}\n  to see it: tools/sim run {name} --seed {world.seed}")
        self.world = world


def holds(weather: Weather | None = None) -> Callable[[Property], Property]:
    """Register a property under the name of its function."""

    def register(check: Property) -> Property:
        PROPERTIES[check.__name__.replace("_", "-")] = check, weather or Weather()
        return check

    return register


def try_out(name: str, seed: int) -> World:
    """Try a property in the world of a seed. Raises `Failed`."""
    check, weather = PROPERTIES[name]
    world = World(seed, Weather(weather.latency, weather.loss, weather.drop))
    try:
        check(world)
    except AssertionError as error:
        raise Failed(name, world, error) from None
    return world


def others(nodes: list[Process], *without: Process) -> list[Process]:
    return [node for node in nodes if node not in without]


def nobody_was_held(nodes: list[Process], status: Status, since: float) -> None:
    """Assert that none of these held anybody for this since then."""
    for node in nodes:
        for when, id, held in node.verdicts(since):
            assert held is not status, f"n{node.key} held {id[:6]} for {status} at {when:.3f}"


def publish(node: Process, entry: Lead | Replica) -> None:
    node.do(lambda membership, now: membership.put(entry))


def scribble(world: World, node: Process) -> Lead | None:
    """Let a node publish or withdraw something."""
    stream = f"live/{world.random.randrange(5)}"
    if world.random.random() < 0.3:
        node.do(lambda membership, now: membership.delete(f"s/{stream}"))
        return None
    lead = Lead(node.id, stream, world.random.randrange(1, 9), LeadState.LIVE, kbps=world.random.getrandbits(30))
    publish(node, lead)
    return lead


def leads_of(node: Process) -> set[Lead]:
    """Everything about streams that a node holds."""
    tables = node.membership.tables
    return {lead for stream in tables.streams() for lead in tables.leads(stream)}


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


@holds(Weather(loss=0.05, drop=0.1))
def the_dead_stay_dead(world: World) -> None:
    """P3: nobody turns a node alive after its own last sign, whatever the others say and however they part."""
    nodes = world.mesh(7)
    victim = world.random.choice(nodes)
    rest = others(nodes, victim)
    world.crash(victim, fin=world.random.random() < 0.5)
    assert world.run(8, lambda: everyone_holds(rest, victim, Status.DEAD)), "not all hold it for dead"
    since = world.now
    for _ in range(3):
        part = world.random.sample(rest, 3)
        world.cut(part, others(rest, *part))
        world.run(world.random.uniform(1, 4))
        world.heal()
        world.run(world.random.uniform(1, 4))
    for node in rest:
        assert victim.id not in [id for _, id, _ in node.verdicts(since)], f"n{node.key} saw it rise"


def silent_crash(world: World, within: float) -> None:
    nodes = world.mesh(world.random.randrange(3, 11))
    victim = world.random.choice(nodes)
    rest = others(nodes, victim)
    world.crash(victim, fin=False)
    assert world.run(within, lambda: everyone_holds(rest, victim, Status.DEAD)), f"not known after {within} s"


@holds()
def a_silent_crash_is_known(world: World) -> None:
    """P4: of a host that goes down without a word all know in 3.5 s."""
    silent_crash(world, 3.5)


@holds(Weather(loss=0.05))
def a_silent_crash_is_known_in_spite_of_loss(world: World) -> None:
    """P4: with 5 % of the packets lost the last of them knows a little later."""
    silent_crash(world, 4.0)


@holds()
def exits_are_known(world: World) -> None:
    """P4: of processes that end, by kill -9 too and several at once, all know in half a second."""
    nodes = world.mesh(world.random.randrange(2, 9))
    victims = world.random.sample(nodes, world.random.randrange(1, len(nodes)))
    rest = others(nodes, *victims)
    for victim in victims:
        world.crash(victim)
    known = world.run(0.5, lambda: all(everyone_holds(rest, victim, Status.DEAD) for victim in victims))
    assert known, "not known after 0.5 s"


@holds()
def a_suspect_is_cleared(world: World) -> None:
    """P5: a suspect that gives a sign is alive for everyone a heartbeat later."""
    nodes = world.mesh(6)
    slow = world.random.choice(nodes)
    slow.stall(world.random.uniform(2.2, 6.0))
    assert world.run(4, lambda: any(node.status(slow) is Status.SUSPECT for node in nodes)), "never suspected"
    world.run(6, lambda: not slow.stalled)
    assert world.run(0.6, lambda: agree(nodes)), "not cleared after 0.6 s"


@holds()
def a_stall_kills_nobody(world: World) -> None:
    """P6: nobody dies of a stall of 2 s, nor by the hand of who was stalled; whether its timers ran or not."""
    nodes = world.mesh(world.random.randrange(4, 9))
    since = world.now
    for node in world.random.sample(nodes, world.random.randrange(1, 3)):
        node.stall(world.random.uniform(0.5, 2.0), timers=world.random.random() < 0.5)
    world.run(6)
    nobody_was_held(nodes, Status.DEAD, since)
    assert agree(nodes), "not equal 4 s later"


def broken_link(world: World) -> None:
    nodes = world.mesh(world.random.randrange(4, 9))
    since = world.now
    one, other = world.random.sample(nodes, 2)
    world.cut([one], [other], both=world.random.random() < 0.5)
    world.run(15)
    nobody_was_held(nodes, Status.DEAD, since)
    assert other.status(one) is Status.UNREACHABLE, f"n{other.key} holds n{one.key} for {other.status(one)}"
    world.heal()
    assert world.run(HEALED_S, lambda: agree(nodes)), f"not healed after {HEALED_S} s"


@holds()
def a_broken_link_kills_nobody(world: World) -> None:
    """P6: two that do not reach each other, or only one way, are unreachable, not dead."""
    broken_link(world)


@holds(Weather(loss=0.05))
def a_broken_link_kills_nobody_in_spite_of_loss(world: World) -> None:
    """P6: nor if 5 % of all packets are lost too."""
    broken_link(world)


@holds(Weather(latency=(0.001, 0.05), loss=0.05))
def loss_kills_nobody(world: World) -> None:
    """P6: 5 % of all packets lost are no death."""
    nodes = world.mesh(7)
    since = world.now
    world.run(15)
    nobody_was_held(nodes, Status.DEAD, since)


@holds()
def the_deaf_accuse_nobody(world: World) -> None:
    """P6: a node that hears nobody, while all hear it, holds nobody for dead, and nobody it."""
    nodes = world.mesh(world.random.randrange(5, 10))
    since = world.now
    deaf = world.random.choice(nodes)
    world.cut(others(nodes, deaf), [deaf], both=False)
    world.run(15)
    nobody_was_held(nodes, Status.DEAD, since)


@holds()
def a_partition_heals(world: World) -> None:
    """P7: 3 s after a partition, however long it was, all hold the same, and each other for alive."""
    nodes = world.mesh(8)
    part = world.random.sample(nodes, world.random.randrange(1, 8))
    world.cut(part, others(nodes, *part))
    for _ in range(4):
        scribble(world, world.random.choice(nodes))
        world.run(world.random.uniform(0, 8))
    world.heal()
    assert world.run(HEALED_S, lambda: agree(nodes)), f"not healed after {HEALED_S} s"


@holds()
def who_leaves_is_not_suspected(world: World) -> None:
    """P8: a goodbye is known at once, and whoever said it has left, not died."""
    nodes = world.mesh(6)
    leaver = world.random.choice(nodes)
    rest = others(nodes, leaver)
    since = world.now
    leaver.do(lambda membership, now: membership.leave(now))
    world.run(0.001)
    world.crash(leaver)
    assert world.run(0.05, lambda: everyone_holds(rest, leaver, Status.LEFT)), "not known after 50 ms"
    world.run(6)
    for node in rest:
        assert [held for _, id, held in node.verdicts(since) if id == leaver.id] == [Status.LEFT]


@holds()
def a_restart_is_taken_back(world: World) -> None:
    """P9: a node that starts again is alive for all in a second, though it lost its disk and its clock is off."""
    nodes = world.mesh(6, incarnation=7)
    old = world.random.choice(nodes)
    world.crash(old, fin=world.random.random() < 0.5)
    world.run(world.random.choice([0.01, 0.3, 2.0, 10.0, 70.0]))
    new = world.restart(old, disk=world.random.random() < 0.5)
    new.dial(*[host for host in (0, 1) if host != new.host], kept=True)
    nodes = [*others(nodes, old), new]
    assert world.run(1, lambda: agree(nodes)), "not taken back after 1 s"
    world.run(3)
    assert agree(nodes), "taken back, but not for long"
    for node in nodes:
        member = node.member(new)
        assert member and (member.card.boot, member.card.incarnation > 7) == (new.boot, True)


@holds()
def a_clone_is_told(world: World) -> None:
    """Of two processes with one identity exactly one goes on, and all others hold that one."""
    nodes = world.mesh(5)
    original = world.random.choice(nodes)
    clone = world.start(9, original.incarnation + world.random.randrange(2), original.key)
    clone.dial(0 if original.host != 0 else 1, kept=True)
    world.run(5)
    losers = [node for node in (original, clone) if node.superseded]
    assert len(losers) == 1, f"{len(losers)} of two were told to stop"
    winner = clone if losers == [original] else original
    world.crash(losers[0])
    rest = others(nodes, original)
    assert world.run(HEALED_S, lambda: agree([*rest, winner])), "they do not agree on who it is"
    for node in rest:
        member = node.member(winner)
        assert member and member.card.boot == winner.boot, f"n{node.key} holds the loser"


@holds()
def versions_mix(world: World) -> None:
    """P15: nodes of two protocols that overlap meet; a stranger of another age or mesh is told why it is refused."""
    nodes = [world.start(host, proto=1 + host % 2) for host in range(5)]
    strangers = [world.start(7, proto=9, oldest=8), world.start(8, mesh="other")]
    for node in [*nodes[1:], *strangers]:
        node.dial(0)
    assert world.run(FORM_S, lambda: agree(nodes)), "no mesh formed"
    world.run(FORM_S)
    assert agree(nodes), "it did not last"
    for stranger in strangers:
        assert stranger.joined and len(stranger.membership.tables.members) == 1
        assert any(isinstance(event, Refused) for _, event in stranger.log), "not told why"


@holds(Weather(latency=(0.0002, 0.01)))
def rivals_are_settled_alike(world: World) -> None:
    """P16: of several that lead one stream all nodes see the same one lead."""
    nodes = world.mesh(6)
    for node in world.random.sample(nodes, 3):
        publish(node, Lead(node.id, "live/x", world.random.randrange(1, 3), LeadState.LIVE))
    world.run(0.02)
    assert len({node.membership.tables.leader("live/x") for node in nodes}) == 1


@holds(Weather(drop=0.0))
def a_change_takes_one_hop(world: World) -> None:
    """What one node puts all others hold one flight later; if the message is lost, a heartbeat later."""
    nodes = world.mesh(8)
    for _ in range(5):
        node = world.random.choice(nodes)
        world.network.weather.drop = world.random.choice([0.0, 0.5, 1.0])
        lead = Lead(node.id, "live/x", world.random.randrange(1 << 20), LeadState.CLAIM)
        publish(node, lead)
        within = 0.002 if not world.network.weather.drop else 0.6
        world.network.weather.drop = 0.0
        known = world.run(within, lambda lead=lead: all(lead in leads_of(node) for node in nodes))
        assert known, f"not known after {within} s"


@holds(Weather(latency=(0.0001, 0.05), loss=0.02))
def whatever_address_answers_is_good(world: World) -> None:
    """A node that advertises addresses which lead nowhere, or to another, is met at the one that does not."""
    wrong = ["192.0.2.7", "10.0.0.3", "127.0.0.1"]
    nodes = []
    for host in range(5):
        addresses = [*world.random.sample(wrong, 2), f"10.0.0.{host + 1}"]
        world.random.shuffle(addresses)
        nodes.append(world.start(host, addresses=addresses))
        if host:
            nodes[-1].dial(0)
    assert world.run(FORM_S, lambda: agree(nodes)), "no mesh formed"
    for node in nodes:
        for other in others(nodes, node):
            member = node.member(other)
            assert member and member.address == f"10.0.0.{other.host + 1}"
