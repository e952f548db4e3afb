import asyncio
import logging

import pytest
import uvloop
import zmq

from mesh.config import Address
from mesh.control.message import Ask
from mesh.errors import ConfigError
from mesh.gossip.dialing import GIVE_UP_S
from mesh.gossip.event import LeadChanged, MemberChanged, Superseded
from mesh.gossip.member import Lead, LeadState, Load, Replica
from mesh.net.gossip import Gossip
from mesh.net.listen import listen, port_of
from mesh.net.state import State
from tests.net.asynctest import asynctest
from tests.net.meeting import heard, holds, meeting, settings, status


@asynctest
async def test_three_nodes_meet_through_one_seed_and_hold_the_same(tmp_path):
    async with meeting(tmp_path) as place:
        gossips = await place.three()
        assert all(gossip.joined.is_set() for gossip in gossips)
        await holds(lambda: len({gossip._membership.digest() for gossip in gossips}) == 1)
        for gossip in gossips:
            assert {member.name for member in gossip.tables.members.values()} == {"a", "b", "c"}


@asynctest
async def test_a_claim_is_seen_by_the_others_in_milliseconds(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, c = await place.three()
        await asyncio.sleep(0.1)
        events = heard(b, LeadChanged)
        a.lead(Lead(a.id, "live/x", 1, LeadState.CLAIM))
        assert await holds(lambda: b.tables.leads("live/x") and c.tables.leads("live/x")) < 0.05
        assert events == [LeadChanged("live/x")]
        b.replicate(Replica(b.id, "live/x", 1, a.id, (a.id,)))
        assert await holds(lambda: c.tables.replicas("live/x")) < 0.05
        a.unlead("live/x")
        b.unreplicate("live/x")
        assert await holds(lambda: not [*c.tables.streams()]) < 0.05


@asynctest
async def test_a_node_that_dies_without_a_word_is_dead_in_half_a_second(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, c = await place.three()
        await asyncio.sleep(0.1)
        c.lead(Lead(c.id, "live/x", 1, LeadState.LIVE))
        await holds(lambda: a.tables.leader("live/x"))
        await place.kill(c)
        assert await holds(lambda: {status(a, c), status(b, c)} == {"dead"}) < 0.5
        assert a.tables.leader("live/x") is None


@asynctest
async def test_a_node_that_leaves_is_not_suspected(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, c = await place.three()
        changes = heard(a, MemberChanged)
        await place.stop(c)
        assert await holds(lambda: {status(a, c), status(b, c)} == {"left"}) < 0.5
        await asyncio.sleep(0.3)
        assert [change.new.status for change in changes if change.id == c.id] == ["left"]


@asynctest
async def test_a_node_that_returns_is_taken_back_at_once(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, c = await place.three()
        await place.kill(c)
        await holds(lambda: {status(a, c), status(b, c)} == {"dead"})
        again = await place.start("c", seeds=[a])
        assert again.id == c.id and again.card.incarnation == c.card.incarnation + 1
        await place.met(a, b, again)
        assert a.tables.members[c.id].card.control == again.card.control
        assert a.tables.display_name(c.id) == "c"


@asynctest
async def test_the_peers_of_last_time_are_found_without_any_seed(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        await place.stop(b)
        await place.met(a, await place.start("b"))


@asynctest
async def test_seeds_and_the_peers_of_last_time_are_tried_for_ever(tmp_path):
    last, seed, other = (Address("127.0.0.1", port) for port in (7, 8, 9))
    async with meeting(tmp_path) as place:
        a = await place.start("a")
        a._state.remember_mesh("mesh", [], [last])
        await place.stop(a)
        a = await place.start("a", f"mesh.seeds={seed}")
        a._dial([other])
        dialing, later = a._membership._dialing, a._now() + 2 * GIVE_UP_S
        await holds(lambda: {last, seed, other} <= {*dialing._candidates})
        dialing.tick(later)
        assert {*dialing.tick(later + 2)} == {last, seed}


@asynctest
async def test_a_clone_and_its_original_find_out(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        directory = tmp_path / "clone"
        directory.mkdir()
        for file in ("key", "memory.json"):
            (directory / file).write_bytes((tmp_path / "b" / file).read_bytes())
        superseded = heard(b, Superseded)
        b._membership._started -= 10
        b._membership._roster.set_me(b._membership._roster.me.__class__(b.card, born=b._now() - 10))
        clone = await place.start("clone", seeds=[a])
        assert clone.id == b.id
        await holds(lambda: superseded)
        assert a.tables.members[b.id].card.boot == clone.card.boot


@asynctest
async def test_messages_of_other_parts_reach_them_with_their_senders_id(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        received = []
        b.on(Ask, lambda sender, message: received.append((sender, message)))
        assert a.send(b.id, Ask(7, "held", ""))
        await holds(lambda: received)
        assert received == [(a.id, Ask(7, "held", ""))]
        assert not a.send("f" * 32, Ask(7, "held", ""))


@asynctest
async def test_a_peer_has_a_media_endpoint_and_a_measured_distance(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        assert a.media_endpoint(b.id) == f"tcp://127.0.0.1:{b.card.media}"
        assert a.media_endpoint("f" * 32) is None
        await holds(lambda: a.rtt_s(b.id))
        assert a.rtt_s(b.id) < 1 and a.rtt_s("f" * 32) == 0.0


def test_round_trips_are_measured_more_finely_than_uvloop_tells_the_time(tmp_path):
    """It tells whole milliseconds; means of a few of them are whole 4096ths."""

    async def distance_ms() -> float:
        async with meeting(tmp_path) as place:
            a, b, _ = await place.three()
            await holds(lambda: a.rtt_s(b.id))
            return 1000 * a.rtt_s(b.id)

    assert not (4096 * round(uvloop.run(distance_ms()), 6)).is_integer()


@asynctest
async def test_load_and_draining_are_seen_by_all(tmp_path):
    async with meeting(tmp_path) as place:
        a, b, _ = await place.three()
        a._membership._load = lambda: Load(players=42)
        a.drain(True)
        await holds(lambda: status(b, a) == "draining" and b.tables.members[a.id].load.players == 42)
        a.drain(False)
        await holds(lambda: status(b, a) == "alive")


@asynctest
async def test_nodes_of_two_meshes_do_not_meet_and_say_why(tmp_path, caplog):
    async with meeting(tmp_path) as place:
        a = await place.start("a")
        with caplog.at_level(logging.WARNING):
            b = await place.start("b", "mesh.name=other", seeds=[a])
            await holds(lambda: len(caplog.messages) == 2)
            await asyncio.sleep(1.5)
        said = "127.0.0.1:{} belongs to another mesh (this is mesh mesh, not other)"
        assert sorted(caplog.messages) == sorted(said.format(gossip.card.control) for gossip in (a, b))
        assert len(a.tables.members) == len(b.tables.members) == 1


@asynctest
async def test_with_a_secret_nodes_meet_and_without_it_they_do_not(tmp_path):
    secret, other = tmp_path / "secret", tmp_path / "other"
    for path in (secret, other):
        path.write_text(f"{path.name} that nobody knows")
        path.chmod(0o600)
    async with meeting(tmp_path) as place:
        a = await place.start("a", secret=secret)
        b = await place.start("b", seeds=[a], secret=secret)
        plain = await place.start("plain", seeds=[a])
        wrong = await place.start("wrong", seeds=[a], secret=other)
        await place.met(a, b)
        await wrong.joined.wait()
        await plain.joined.wait()
        assert len(a.tables.members) == len(b.tables.members) == 2
        assert len(plain.tables.members) == len(wrong.tables.members) == 1


@asynctest
async def test_a_taken_port_is_an_error_that_names_it(tmp_path):
    with listen("here", "127.0.0.1:0") as taken:
        configured = settings(tmp_path, f"mesh.listen=127.0.0.1:{port_of(taken)}")
        context = zmq.Context()
        gossip = Gossip(configured, State.open(configured), context, 1, 2)
        with pytest.raises(ConfigError, match=rf"mesh\.listen: cannot listen on port {port_of(taken)} "):
            await gossip.start()
        context.destroy(linger=0)
        State.open(configured).close()


@asynctest
async def test_a_node_of_which_only_the_host_is_configured_advertises_that(tmp_path):
    async with meeting(tmp_path) as place:
        card = (await place.start("a")).card
        assert card.addresses == ("127.0.0.1",) and len({card.control, card.gossip, card.media}) == 3


@asynctest
async def test_a_node_advertises_what_it_is_told_to(tmp_path):
    async with meeting(tmp_path) as place:
        assert (await place.start("a", "mesh.advertise=a.example")).card.addresses == ("a.example",)


@asynctest
async def test_a_mesh_goes_over_to_another_secret_in_three_rolling_restarts(tmp_path):
    secret = tmp_path / "secret"
    secret.touch(0o600)
    old, new = "correct horse battery staple", "Tr0ub4dor&3 and three more"
    secret.write_text(old)
    async with meeting(tmp_path) as place:
        a = await place.start("a", secret=secret)
        b = await place.start("b", seeds=[a], secret=secret)
        await place.met(a, b)
        for step in (f"{old}\n{new}", f"{new}\n{old}", new):
            secret.write_text(step)
            await place.stop(a)
            a = await place.start("a", seeds=[b], secret=secret)
            await place.met(a, b)
            await place.stop(b)
            b = await place.start("b", seeds=[a], secret=secret)
            await place.met(a, b)


@asynctest
async def test_a_node_that_has_stopped_is_woken_by_nothing(tmp_path):
    async with meeting(tmp_path) as place:
        a, *_ = await place.three()
        await place.stop(a)
        a._dial([Address("127.0.0.1", 1)])
        assert a._alarm._handle is None
