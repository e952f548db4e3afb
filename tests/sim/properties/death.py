"""Who dies is found out, and nobody else is."""

from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.properties.rejoining import HEALED_S
from tests.sim.property import holds, nobody_was_held, others
from tests.sim.world import World, agree, everyone_holds


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


def silent_crash(world: World, within: float, size: int = 0) -> None:
    nodes = world.mesh(size or world.random.randrange(3, 11))
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


@holds(Weather(loss=0.05), every=500)
def a_silent_crash_among_64_is_known_in_spite_of_loss(world: World) -> None:
    """P4: as soon as in a small mesh."""
    silent_crash(world, 4.0, 64)


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
    """P6: a node that hears nobody of four or more holds nobody for dead, and nobody it if all hear it."""
    nodes = world.mesh(world.random.randrange(5, 10))
    since = world.now
    deaf = world.random.choice(nodes)
    mute = world.random.random() < 0.5
    world.cut(others(nodes, deaf), [deaf], both=mute)
    world.run(15)
    nobody_was_held([deaf] if mute else nodes, Status.DEAD, since)
