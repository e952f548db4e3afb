from contextlib import suppress
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import WireError
from mesh.gossip.event import Joined, LeadChanged
from mesh.gossip.member import LeadState, Load, Status
from mesh.gossip.message import Beat, Bye, Delta, Known, Sender, Snap, Sync
from mesh.gossip.overlay import FullMesh
from mesh.media.wire import decode
from tests.gossip.company import Company, Lone, address, beat, card, lead, welcome
from tests.gossip.lies import mutated
from tests.gossip.sample import CASES
from tests.gossip.test_roster import change

ID = [card(number).id for number in range(9)]


def test_a_node_that_nobody_answers_has_joined_after_a_second_and_a_half():
    company = Lone()
    company.membership.dial([address(1)], company.now)
    company.wait(1.4)
    assert company.status(0) is Status.JOINING and not company.membership.joined
    company.wait(0.2)
    assert company.status(0) is Status.ALIVE and company.events(Joined) == [Joined()]


def test_a_node_has_joined_when_all_it_was_told_of_have_told_it_of_themselves():
    company = Lone()
    company.meet(1)
    company.wait(0.1)
    assert company.sent(Sync)
    company.say(1, Known(((ID[2], card(2).boot, 1, 1),), (("10.0.0.2:7400",),)))
    company.wait(0.3)
    assert not company.membership.joined
    company.meet(2)
    assert company.membership.joined
    assert [message.state for _, message in company.sent(Beat)][-1] == 1


def test_an_answer_gives_it_time_but_not_for_ever():
    company = Lone()
    company.wait(1.2)
    company.meet(1)
    company.say(1, Known(((ID[2], card(2).boot, 1, 1),), (("10.0.0.2:7400",),)))
    company.wait(1.4, 1)
    assert not company.membership.joined
    company.wait(0.2, 1)
    assert company.membership.joined


def test_hearts_beat_twice_a_second_and_not_in_step():
    company = Company()
    times = []
    for _ in range(3000):
        company.wait(0.01)
        if company.sent(Beat):
            times.append(company.now)
    gaps = {round(later - sooner, 2) for sooner, later in pairwise(times)}
    assert 0.43 < min(gaps) < 0.48 and 0.52 < max(gaps) < 0.57
    assert 55 < len(times) < 65


def test_a_beat_carries_load_version_digest_state_and_age():
    company = Company(1, load=lambda: Load(cpu=0.25, players=7))
    company.wait(0.6, 1)
    *_, (to, message) = company.sent(Beat)
    assert to is None
    assert (message.load.players, message.digest, message.period_ms) == (7, company.membership.digest(), 500)
    assert message.state == 1 and 12_000 < message.uptime_ms < 20_000
    assert company.member(0).load.cpu == 0.25


def test_a_big_mesh_beats_slower_and_says_so():
    class Crowd(FullMesh):
        def period(self, members: int) -> float:
            return super().period(100 * members)

    company = Company(overlay=Crowd())
    company.wait(3)
    assert {message.period_ms for _, message in company.sent(Beat)} == {781}


@pytest.mark.parametrize(("announced", "taken"), [(1, 0.2), (1000, 1.0), (3_600_000, 20.0)])
def test_a_period_that_is_announced_is_believed_within_limits(announced, taken):
    company = Company(1)
    company.say(1, beat(1000, period_ms=announced))
    assert company.membership._roster.peers[ID[1]].pulse.period == taken


def test_draining_is_told_at_once_and_taken_back():
    company = Company(1)
    for on, status in ((True, Status.DRAINING), (False, Status.ALIVE)):
        company.membership.drain(on, company.now)
        assert company.status(0) is status
        assert {to for to, message in company.sent(Beat)} == {None, address(1)}


def test_a_peers_draining_is_seen_and_a_doubt_is_cleared_to_it():
    company = Company(1)
    company.say(1, beat(1000, state=Status.DRAINING))
    assert company.status(1) is Status.DRAINING
    company.wait(8)
    assert company.status(1) is Status.DEAD
    company.say(1, beat(1001, state=Status.DRAINING))
    assert company.status(1) is Status.DRAINING


def test_only_the_process_that_we_have_met_is_known():
    company = Company(1)
    assert company.membership.knows(Sender(ID[1], card(1).boot))
    assert not company.membership.knows(Sender(ID[1], "f" * 16))
    assert not company.membership.knows(Sender(ID[2], card(2).boot))
    company.say(1, Bye())
    assert not company.membership.knows(Sender(ID[1], card(1).boot))
    assert company.membership.route(ID[1]) is None


def test_a_claim_is_told_by_an_event():
    company = Company(1)
    claim = lead(1, state=LeadState.CLAIM)
    company.say(1, Delta(1, 2, (change(claim),)))
    assert company.events(LeadChanged) == [LeadChanged("live/x")]
    assert company.tables.leads("live/x") == [claim]


def test_the_timer_is_never_long_past_once_it_was_handled():
    company = Company(1, 2, 3)
    for _ in range(400):
        company.now += 0.05
        company.membership.handle_timer(company.now)
        assert company.membership.get_timer() > company.now


def subtree(company: Company, number: int) -> tuple[object, ...]:
    peer = company.membership._roster.peers[ID[number]]
    return peer.member.card, peer.copy.version, {**peer.copy.entries}, peer.member.status


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_hostile_member_breaks_nothing_and_changes_nothing_of_others(seed: int):
    """P12: whatever it says is taken or a `WireError`, and what others said stays what it was."""
    random = Random(seed)
    company = Company(1, 2, 3)
    company.say(2, Snap(ID[2], card(2).boot, 5, 0, 1, (change(card(2), 1), change(lead(2), 5))))
    before = subtree(company, 2)
    for _ in range(40):
        data = mutated(random, random.choice(CASES), [ID[2], ID[0]]) if random.random() < 0.8 else random.randbytes(40)
        with suppress(WireError):
            company.membership.receive(decode(data), Sender(ID[1], card(1).boot, "10.0.0.1"), company.now)
        company.wait(0.05)
        company.beats(2, 3)
        company.sent()
        company.events()
    assert subtree(company, 2) == before
    assert company.tables.leader("live/x") == lead(2)
    assert company.member(0).card.id == ID[0]


def test_a_welcome_again_changes_nothing():
    company = Company(1)
    company.membership.dial([address(1)], company.now)
    before = subtree(company, 1)
    company.say(1, welcome(1))
    assert subtree(company, 1) == before
