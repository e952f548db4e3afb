"""Who was away, or seemed so, is taken back; who leaves is let go."""

from mesh.gossip.event import Refused
from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.properties.agreement import scribble
from tests.sim.property import holds, others
from tests.sim.world import FORM_S, World, agree, everyone_holds

HEALED_S = 3.0


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
