import pytest

from mesh.config import Address
from mesh.gossip.event import Knock, MemberChanged
from mesh.gossip.member import Status
from mesh.gossip.message import Age, AskAge, Bye, Dead, Hello, Ping, Pong, Suspect, Welcome
from tests.gossip.company import Company, address, beat, card

ID = [card(number).id for number in range(9)]

ALIVE, SUSPECT, UNREACHABLE, DEAD = Status.ALIVE, Status.SUSPECT, Status.UNREACHABLE, Status.DEAD


def asked(company: Company) -> list[int]:
    """Who was asked for the age of a peer."""
    return sorted(int(to.host.rpartition(".")[2]) for to, _ in company.sent(AskAge))


def silence(company: Company, number: int, *beating: int) -> None:
    """Let one be silent until it is doubted."""
    company.beats(number)
    company.wait(1.45, *beating)
    company.sent()
    company.wait(0.2, *beating)


def test_a_silence_that_is_normal_is_no_doubt():
    company = Company(1, 2, 3)
    company.beats(1)
    company.wait(1.45, 2, 3)
    assert asked(company) == [] and company.status(1) is ALIVE


def test_the_silent_is_pinged_and_three_others_are_asked():
    company = Company(*range(1, 8))
    silence(company, 1, *range(2, 8))
    messages = company.sent(Ping | AskAge)
    assert (address(1), Ping(0)) in messages
    questions = [(to, message) for to, message in messages if isinstance(message, AskAge)]
    assert len(questions) == 3
    assert all(message == AskAge(ID[1], False) and to != address(1) for to, message in questions)


def test_whom_nobody_hears_is_suspect_is_told_so_and_dies_a_second_later():
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    for witness in (2, 3):
        company.say(witness, Age(ID[1], 1600, False))
    company.wait(0.4, 2, 3)
    assert company.status(1) is SUSPECT
    told = company.sent(Suspect)
    assert (address(1), Suspect(ID[1])) in told and (None, Suspect(ID[1])) in told
    company.wait(0.9, 2, 3)
    assert company.status(1) is SUSPECT
    company.wait(0.2, 2, 3)
    assert company.status(1) is DEAD
    assert company.sent(Dead) == [(None, Dead(ID[1]))]


def test_whom_another_hears_is_unreachable_and_no_more():
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    company.say(2, Age(ID[1], 1600, False))
    company.say(3, Age(ID[1], 200, False))
    company.wait(0.15, 2, 3)
    assert company.status(1) is UNREACHABLE
    for _ in range(20):
        company.wait(0.5, 2, 3)
        if asked(company):
            company.say(2, Age(ID[1], 100, False))
    assert company.status(1) is UNREACHABLE


def test_whom_another_hears_may_still_answer_our_ping():
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    company.events()
    company.say(2, Age(ID[1], 200, False))
    company.wait(0.05, 2, 3)
    company.say(1, Pong(0))
    company.wait(0.5, 2, 3)
    assert [event.new.status for event in company.events(MemberChanged) if event.id == ID[1]] == []


def test_without_enough_answers_nobody_dies():
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    company.say(2, Age(ID[1], 1600, False))
    company.say(3, Age(ID[1], None, False))
    company.wait(20, 2, 3)
    assert company.status(1) is UNREACHABLE


@pytest.mark.parametrize("after", [0.1, 0.5, 1.3, 5.0])
def test_any_sign_of_its_own_clears_a_doubt(after):
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    for witness in (2, 3):
        company.say(witness, Age(ID[1], 1600, False))
    company.wait(after, 2, 3)
    company.beats(1)
    assert company.status(1) is ALIVE
    company.wait(1.0, 2, 3)
    assert company.status(1) is ALIVE


def test_of_two_nodes_one_dies_when_it_is_silent():
    company = Company(1)
    silence(company, 1)
    company.wait(0.4)
    assert company.status(1) is SUSPECT
    company.wait(1.1)
    assert company.status(1) is DEAD


def test_whoever_is_late_himself_accuses_nobody_and_abstains():
    company = Company(1, 2, 3)
    company.beats(1)
    company.now += 2.5
    company.membership.handle_timer(company.now)
    company.beats(2, 3)
    company.sent()
    company.say(2, AskAge(ID[1], False))
    assert company.sent(Age) == [(address(2), Age(ID[1], None, False))]
    company.wait(1.0, 2, 3)
    assert asked(company) == [] and company.status(1) is ALIVE
    company.wait(0.5, 2, 3)
    assert asked(company) == [2, 3]


def test_when_most_are_silent_at_once_the_fault_may_be_ours():
    company = Company(1, 2, 3, 4, 5)
    company.beats(1, 2, 3, 4, 5)
    company.wait(4.3, 1)
    assert {company.status(number) for number in (2, 3, 4, 5)} == {ALIVE}
    company.wait(20, 1)
    assert {company.status(number) for number in (2, 3, 4, 5)} == {UNREACHABLE}


def test_in_a_small_mesh_it_is_not():
    company = Company(1, 2, 3)
    company.beats(1, 2, 3)
    company.wait(8)
    assert {company.status(number) for number in (1, 2, 3)} == {DEAD}


def test_a_closed_connection_is_followed_by_a_knock():
    company = Company(1, 2)
    company.membership.disconnected(address(1)._replace(port=7401), company.now)
    company.membership.disconnected(address(7)._replace(port=7401), company.now)
    assert company.events(Knock) == [Knock(ID[1], address(1))]
    assert company.status(1) is ALIVE


def test_who_refuses_us_and_two_others_is_dead_at_once():
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    company.membership.refused(ID[1], company.now)
    witnesses = asked(company)
    assert len(witnesses) == 3
    company.say(witnesses[0], Age(ID[1], 100, True))
    assert company.status(1) is ALIVE
    company.say(witnesses[1], Age(ID[1], 100, True))
    assert company.status(1) is DEAD


@pytest.mark.parametrize("after", [0.1, 1.1, 5.0])
def test_what_the_dead_sent_before_they_ended_does_not_raise_them_however_late_it_comes(after):
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    sent = company.now
    company.wait(0.2)
    company.membership.refused(ID[1], company.now)
    for witness in (2, 3):
        company.say(witness, Dead(ID[1]))
    company.wait(after, 2, 3, 4, 5)
    for number in range(2):
        company.say(1, beat(100 + number, uptime_ms=round(1000 * sent) + 50 * number))
        company.say(1, Ping(0))
        assert company.status(1) is DEAD
    company.say(1, beat(200, uptime_ms=round(1000 * company.now)))
    assert company.status(1) is ALIVE


def test_a_verdict_confirms_what_we_have_seen_too():
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    company.membership.refused(ID[1], company.now)
    for witness in (2, 3):
        company.say(witness, Dead(ID[1]))
    assert company.status(1) is DEAD


def test_who_refuses_us_alone_lives_on():
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    company.membership.refused(ID[1], company.now)
    for witness in asked(company):
        company.say(witness, Age(ID[1], 100, False))
    company.wait(3.0, *range(1, 6))
    assert company.status(1) is ALIVE


def test_of_two_nodes_one_that_refuses_is_dead_at_once():
    company = Company(1)
    company.beats(1)
    company.membership.refused(ID[1], company.now)
    assert company.status(1) is DEAD


def test_all_of_many_that_refuse_at_once_are_dead():
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    for number in range(1, 6):
        company.membership.refused(ID[number], company.now)
    company.wait(0.5)
    assert {company.status(number) for number in range(1, 6)} == {DEAD}


def test_the_age_of_a_peer_is_told_to_whoever_asks():
    company = Company(1, 2)
    company.beats(1, 2)
    company.wait(0.3)
    company.sent()
    company.say(2, AskAge(ID[1], False))
    company.say(2, AskAge(ID[7], False))
    assert company.sent(Age) == [(address(2), Age(ID[1], 300, False))]


def test_who_is_asked_for_one_that_refuses_another_knocks_for_himself():
    company = Company(1, 2)
    company.say(2, AskAge(ID[1], True))
    assert company.events(Knock) == [Knock(ID[1], address(1))]
    company.membership.refused(ID[1], company.now)
    company.sent()
    company.say(2, AskAge(ID[1], True))
    ((_, answer),) = company.sent(Age)
    assert answer.refused


def test_who_hears_of_the_death_of_one_that_it_has_just_met_knocks_for_himself():
    company = Company(*range(1, 6))
    company.beats(*range(1, 6))
    for witness in (2, 3, 2, 3):
        company.say(witness, Dead(ID[1]))
    assert company.events(Knock) == [Knock(ID[1], address(1))]
    company.membership.refused(ID[1], company.now)
    for witness in asked(company)[:2]:
        company.say(witness, Age(ID[1], 200, True))
    assert company.status(1) is DEAD


def test_a_liar_makes_us_knock_ten_times_a_second_and_no_more():
    company = Company(*range(1, 6))
    for _ in range(100):
        company.beats(*range(1, 6))
        company.say(2, Dead(ID[1]))
        company.wait(0.01)
    assert 9 <= len(company.events(Knock)) <= 11
    assert company.status(1) is ALIVE and not asked(company)


def test_an_accusation_is_looked_into_and_answered_but_not_believed():
    company = Company(1, 2, 3)
    company.beats(1, 2, 3)
    company.wait(0.3)
    company.sent()
    company.say(2, Suspect(ID[1]))
    assert company.sent(Age) == [(address(2), Age(ID[1], 300, False))]
    company.wait(0.9, 2, 3)
    company.say(2, Dead(ID[1]))
    assert asked(company) and company.status(1) is ALIVE


def test_the_accused_gives_its_accuser_a_sign():
    company = Company(1, 2)
    company.say(1, Suspect(ID[0]))
    assert [to for to, _ in company.sent()] == [address(1)]


def test_who_accuses_one_that_we_doubt_too_need_not_answer_for_it():
    company = Company(*range(1, 6))
    silence(company, 1, *range(2, 6))
    for accuser in (2, 3):
        company.say(accuser, Suspect(ID[1]))
    company.wait(0.4, *range(2, 6))
    assert company.status(1) is SUSPECT


def test_one_that_only_we_do_not_hear_is_looked_for_at_once_when_others_accuse_it():
    company = Company(*range(1, 6))
    silence(company, 1, *range(2, 6))
    company.say(2, Age(ID[1], 100, False))
    company.wait(0.15, *range(2, 6))
    assert company.status(1) is UNREACHABLE
    company.sent()
    company.say(3, Dead(ID[1]))
    assert len(asked(company)) == 3
    company.say(2, Age(ID[1], 100, False))
    company.wait(0.15, *range(2, 6))
    assert company.status(1) is UNREACHABLE


def test_who_has_left_is_doubted_by_nobody():
    company = Company(1, 2, 3)
    silence(company, 1, 2, 3)
    company.say(1, Bye())
    company.wait(5.0, 2, 3)
    company.membership.refused(ID[1], company.now)
    assert company.status(1) is Status.LEFT


@pytest.mark.parametrize("said", [Age(ID[1], -5, False), Age(ID[7], 5, True), Age(ID[0], 5, False), Dead(ID[7])])
def test_nonsense_about_others_changes_nothing(said):
    company = Company(1, 2, 3)
    company.say(2, said)
    company.wait(1.0, 1, 2, 3)
    assert [company.status(number) for number in (1, 2, 3)] == [ALIVE] * 3


def test_a_peer_that_speaks_but_whose_beats_do_not_come_is_looked_for_at_its_other_addresses():
    company = Company(1, 2, 3)
    for nonce in range(12):
        company.wait(0.5, 2, 3)
        company.say_from("10.0.1.1", 1, Ping(nonce))
    assert company.status(1) is Status.ALIVE
    other = Address("10.0.1.1", 7400)
    assert other in [to for to, _ in company.sent(Hello)]
    company.say_from("10.0.1.1", 1, Welcome(card(1), beat(99), str(other)))
    assert company.membership.route(card(1).id) == other
    company.wait(2.0, 2, 3)
    company.say_from("10.0.1.1", 1, Ping(99))
    assert company.membership.route(card(1).id) == other, "it gets time to be heard by the new way"
