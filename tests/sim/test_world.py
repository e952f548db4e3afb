import pytest

from mesh.gossip.member import Status
from tests.sim.network import Weather
from tests.sim.properties import PROPERTIES, try_out
from tests.sim.world import World, agree

ROUGH = Weather(latency=(0.0005, 0.02), loss=0.1, drop=0.1)


def rough(seed: int, clocks: int = 1) -> World:
    """A world in which much happens."""
    world = World(seed, Weather(ROUGH.latency, ROUGH.loss, ROUGH.drop), clocks)
    nodes = world.mesh(5)
    world.cut(nodes[:2], nodes[2:])
    world.run(3)
    nodes[3].stall(2.5)
    world.heal()
    world.crash(nodes[4])
    world.run(3)
    world.restart(nodes[4], disk=False).dial(0)
    world.run(3)
    return world


def test_the_same_seed_is_the_same_world():
    """P14."""
    hashes = [rough(seed).trace_hash for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_nobodys_clock_makes_a_difference():
    """P13: with clocks up to half a year apart the same happens as with clocks that agree."""
    assert rough(3, clocks=0).trace_hash == rough(3, clocks=1).trace_hash
    clocks = [process.clock for process in rough(3).processes]
    assert max(clocks) - min(clocks) > 1e6


def test_loss_delays_and_keeps_the_order():
    world = World(4, Weather(loss=0.3))
    first, second = world.start(0), world.start(1)
    second.dial(0)
    assert world.run(20, lambda: agree([first, second]))
    assert second.errors == first.errors == 0


def test_a_host_that_is_down_refuses_nobody_and_one_whose_process_ended_does():
    for fin, seconds in ((True, 0.1), (False, 3.5)):
        world = World(5)
        nodes = world.mesh(3)
        world.crash(nodes[2], fin)
        assert not world.run(seconds / 2, lambda nodes=nodes: nodes[0].status(nodes[2]) is Status.DEAD) or fin
        assert world.run(seconds, lambda nodes=nodes: nodes[0].status(nodes[2]) is Status.DEAD)


def test_a_story_tells_what_was_done_and_what_came_of_it():
    world = rough(1)
    assert "n4 ends" in world.story() and "holds n4 for dead" in world.story()


def test_a_property_that_fails_says_how_to_see_it_again(monkeypatch):
    def breaks(world: World) -> None:
        assert world.now > 1, "too soon"

    monkeypatch.setitem(PROPERTIES, "breaks", (breaks, Weather()))
    with pytest.raises(AssertionError, match=r"(?s)too soon.*\n  to see it: tools/sim run breaks --seed 7"):
        try_out("breaks", 7)


@pytest.mark.parametrize(("size", "budget"), [(8, 4_000), (32, 14_000)])
def test_gossip_is_cheap(size, budget):
    """P17: so many bytes a second an idle node may send at most."""
    world = World(6)
    nodes = world.mesh(size)
    world.network.counting = True
    world.run(4)
    assert max(node.bytes for node in nodes) / 4 < budget
