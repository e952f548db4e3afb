import asyncio
from contextlib import ExitStack
from random import Random

from mesh import config
from mesh.control.doctor import PORTS, AskReach, Reach, Seed, Suspect
from mesh.net import doctor
from mesh.net.doctor import Doctor
from mesh.net.gossip import Gossip
from mesh.net.listen import listen
from tests.net.asynctest import asynctest, until
from tests.net.meeting import meeting


def practice(gossip: Gossip, seeds: str = "") -> Doctor:
    """A doctor for a node, which was given these seeds."""
    mesh = config.load(None, [f"mesh.seeds={seeds}", "mesh.mdns=false"], {})[0].mesh
    return Doctor(mesh, gossip, Random(7), asyncio.get_running_loop().create_task)


@asynctest
async def test_those_who_have_met_find_nothing_wrong(tmp_path):
    async with meeting(tmp_path) as place:
        gossips = await place.three()
        seed = f"127.0.0.1:{gossips[0].card.control}"
        _, ours, _ = (practice(gossip, seed) for gossip in gossips)
        with ExitStack() as relays:
            for gossip in gossips:
                relays.enter_context(listen("media", f"127.0.0.1:{gossip.card.media}"))
            found = await ours.examine()
    assert found.suspects == found.partial == ()
    assert [(own.port, sorted(own.open)) for own in found.addresses] == [(port, ["a", "c"]) for port in PORTS]
    assert found.seeds == (Seed(seed, seed, "open", "a"),)
    for peer, name in zip(found.peers, "ac", strict=True):
        assert (peer.node, peer.status, peer.address) == (name, "alive", "127.0.0.1")
        assert peer.age_ms < 1000 and peer.ports == dict.fromkeys(PORTS, "open")


@asynctest
async def test_a_port_that_is_closed_is_found_from_both_ends(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()  # without a relay, so that nobody listens on their media ports
        ours, _ = practice(a), practice(b)
        found = await ours.examine()
        assert found.partial == ("c",)
        says = "nobody listens on its media port: is a node running there, with this port?"
        assert Suspect("port", "b at 127.0.0.1", says) in found.suspects
        assert Suspect("advertise", "a", "b finds nobody on its media port: is mesh.listen right?") in found.suspects


@asynctest
async def test_seeds_that_do_not_do_are_named(tmp_path):
    with listen("here", "127.0.0.1:0") as foreign, listen("here", "127.0.0.1:0") as closed:
        seeds = [f"127.0.0.1:{socket.getsockname()[1]}" for socket in (foreign, closed)]
        closed.close()
        async with meeting(tmp_path) as place:
            a = await place.start("a")
            found = await practice(a, ",".join([*seeds, "nowhere.invalid"])).examine()
    assert [(seed.address, seed.verdict, seed.node) for seed in found.seeds] == [
        (seeds[0], "open", ""),
        (seeds[1], "refused", ""),
        ("", "", ""),
    ]
    assert [suspect.suspect for suspect in found.suspects] == ["seed", "port", "name"]


@asynctest
async def test_what_keeps_strangers_out_is_told(tmp_path):
    async with meeting(tmp_path) as place:
        a = await place.start("a", "mesh.name=one")
        b = await place.start("b", "mesh.name=other", seeds=[a])
        await until(lambda: b.security.troubles.known)
        found = await practice(b, f"127.0.0.1:{a.card.control}").examine()
        (suspect,) = found.suspects
        assert (suspect.suspect, suspect.where) == ("mesh name", f"127.0.0.1:{a.card.control}")
        assert suspect.says == "belongs to another mesh (this is mesh one, not other)" == found.seeds[0].trouble


@asynctest
async def test_one_examination_is_made_at_a_time_and_one_peer_is_helped_once_at_a_time(tmp_path, monkeypatch):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        probed = []

        async def slowly(addresses):
            probed.append(addresses)
            await asyncio.sleep(0.1)
            return {}

        monkeypatch.setattr(doctor, "probe_all", slowly)
        practice(b)
        for nonce in range(10):
            a.send(b.id, AskReach(nonce))
        await asyncio.sleep(0.2)
        assert len(probed) == 1


@asynctest
async def test_answers_that_nobody_asked_for_are_ignored(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        ours = practice(a)
        b.send(a.id, Reach(7, (("127.0.0.1:1", "open"),)))
        await asyncio.sleep(0.05)
        assert ours._questions == {}
