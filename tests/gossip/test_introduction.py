from dataclasses import replace
from itertools import islice

import pytest

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.event import MemberChanged, Raised, Refused, Subscribe, Superseded
from mesh.gossip.introduction import MAX_INCARNATION, NEWCOMERS
from mesh.gossip.member import Status
from mesh.gossip.message import Beat, Bye, Delta, Hello, Pull, Refuse, Sender, Welcome, You, check_card
from tests.gossip.company import Company, Lone, address, beat, card, hello, sender, welcome

ID = [card(number).id for number in range(9)]
LATER = {"boot": "f" * 16, "incarnation": 2}
BEFORE = {"boot": "0" * 16, "incarnation": 1}


def test_a_hello_is_answered_where_it_came_from_and_said_back():
    company = Company()
    company.membership.receive(hello(1), Sender(ID[1], card(1).boot, "192.168.0.1"), company.now)
    company.wait(0.05)
    back = Address("192.168.0.1", 7400)
    ((to, answer),) = company.sent(Welcome)
    assert (to, answer.reached) == (back, str(address(0)))
    assert company.status(1) is Status.ALIVE
    assert company.sent(Hello) == []


def test_the_addresses_of_whoever_says_hello_are_raced_the_one_it_came_from_first():
    company = Company()
    company.membership.receive(hello(1), Sender(ID[1], card(1).boot, "192.168.0.1"), company.now)
    company.membership.handle_timer(company.now)
    assert [to for to, _ in company.sent(Hello)] == [Address("192.168.0.1", 7400)]
    company.wait(0.15)
    assert [to for to, _ in company.sent(Hello)] == [address(1)]


def test_the_first_address_that_answers_is_the_way():
    company = Company()
    company.membership.dial([address(1), address(2)], company.now)
    company.membership.handle_timer(company.now)
    company.say(1, Welcome(card(1), beat(), str(address(2))))
    company.say(1, Welcome(card(1), beat(), str(address(1))))
    assert company.membership.route(ID[1]) == address(2)
    assert company.member(1).address == "10.0.0.2"
    assert company.events(Subscribe) == [Subscribe(Address("10.0.0.2", 7401))]
    assert {to for to, _ in company.sent(Pull)} == {address(2)}


def test_a_peer_that_is_lost_is_found_at_another_address():
    company = Company(1)
    company.wait(20)
    company.membership.dial([address(5)], company.now)
    company.membership.handle_timer(company.now)
    company.say(1, Welcome(card(1), beat(9999), str(address(5))))
    assert (company.status(1), company.membership.route(ID[1])) == (Status.ALIVE, address(5))


def test_a_welcome_where_nobody_was_asked_is_an_error():
    company = Company()
    with pytest.raises(WireError, match="asked nobody"):
        company.say(1, welcome(1))
    for nonsense in ("", "nowhere", "10.0.0.1"):
        with pytest.raises(WireError):
            company.say(1, Welcome(card(1), beat(), nonsense))


def test_a_card_of_somebody_else_is_an_error():
    company = Company()
    for message in (hello(2), welcome(2)):
        with pytest.raises(WireError, match="came from"):
            company.say(1, message)
    assert [*company.tables.members] == [ID[0]]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (hello(1, mesh="other"), "this is mesh mesh, not other"),
        (Hello("mesh", 8, card(1, proto=9), beat(), "here"), "this node speaks protocol 1 to 1, not 8 to 9"),
        (Hello("mesh", 0, card(1, proto=0), beat(), "here"), "this node speaks protocol 1 to 1, not 0 to 0"),
    ],
    ids=["mesh", "newer", "older"],
)
def test_another_mesh_and_another_age_are_refused_with_the_reason(message, reason):
    company = Company()
    company.say(1, message)
    ((to, refusal),) = company.sent(Refuse)
    assert (to, refusal.reason) == (address(1), reason)
    assert company.events(Refused) == [Refused(str(address(1)), reason)]
    assert ID[1] not in company.tables.members


def test_a_refusal_is_told_if_we_had_asked():
    company = Company()
    company.say(1, Refuse("no", str(address(1))))
    assert company.events(Refused) == []
    company.membership.dial([address(1)], company.now)
    company.say(1, Refuse("no" * 500, str(address(1))))
    (refused,) = company.events(Refused)
    assert refused.address == "10.0.0.1:7400" and len(refused.reason) == 200


def test_our_own_address_is_noticed_and_dropped():
    company = Company()
    company.membership.dial([address(0)], company.now, kept=True)
    company.wait(0.1)
    ((_, message),) = company.sent(Hello)
    company.say(0, message)
    company.wait(60)
    assert company.sent(Hello) == [] and company.events(Superseded) == []


def test_a_node_that_starts_anew_is_taken_back_at_once():
    company = Company(1)
    company.say(1, hello(1, **LATER), **LATER)
    assert (company.member(1).card.boot, company.status(1)) == (LATER["boot"], Status.ALIVE)
    company.say(1, beat(5000))
    assert company.member(1).card.boot == LATER["boot"]


def test_the_process_before_is_told_in_case_it_still_runs():
    company = Company(1)
    company.say(1, hello(1, **LATER), **LATER)
    assert (address(1), You(2, LATER["boot"], "", (str(address(1)),))) in company.sent(You)


def test_a_process_before_the_one_we_know_is_told_so_and_not_taken():
    company = Company(1)
    company.say(1, hello(1, **BEFORE), **BEFORE)
    ((to, you),) = company.sent(You)
    assert (to, you.incarnation, you.boot, you.reached) == (address(1), 1, card(1).boot, str(address(0)))
    assert company.member(1).card.boot == card(1).boot


def test_a_node_that_has_lost_its_disk_goes_above_what_it_was_and_says_hello_again():
    company = Lone()
    company.membership.dial([address(1)], company.now)
    company.say(1, You(7, "a" * 16, str(address(1))))
    assert company.events(Raised) == [Raised(8)]
    ((to, again),) = company.sent(Hello)
    assert (to, again.card.incarnation, company.member(0).card.incarnation) == (address(1), 8, 8)


def test_what_is_no_news_of_ourselves_changes_nothing():
    company = Company(1)
    company.say(1, You(1 << 60, "a" * 16, ""))
    company.say(1, You(MAX_INCARNATION + 1, "a" * 16, ""))
    company.say(1, You(9, card(0).boot, ""))
    company.say(1, You(0, "a" * 16, ""))
    assert company.events(Raised | Superseded) == []


def test_no_members_can_stop_another_however_many_say_so():
    company = Company(1, 2)
    company.wait(10, 1, 2)
    for incarnation in range(3, 60, 3):
        for number in (1, 2, 3):
            company.say(number, You(incarnation, "a" * 16, "", (str(address(7)), "nonsense")))
    company.wait(5, 1, 2)
    assert company.events(Raised | Superseded) == [Raised(4), Raised(7), Raised(10)]
    assert address(7) in [to for to, _ in company.sent(Hello)], "looks for the other process"


@pytest.mark.parametrize("stops", [True, False], ids=["is asked", "is not asked"])
def test_who_cannot_go_above_another_process_stops_when_that_answers_where_it_was_asked(stops):
    company = Company(1)
    for incarnation in (3, 6, 9, 12):
        company.say(1, You(incarnation, "a" * 16, "", (str(address(7)),)))
    company.wait(0.2, 1)
    company.events()
    rival = You(12, "a" * 16, str(address(7 if stops else 8)))
    for _ in range(2):
        company.say(1, rival)
    assert company.events(Superseded) == []
    company.say(0, rival, boot="a" * 16)
    assert company.events(Superseded) == [Superseded("a" * 16)] * stops


def test_a_node_that_was_raised_as_far_as_others_can_may_start_again():
    company = Lone()
    company.say(1, You(MAX_INCARNATION, "a" * 16, ""))
    (raised,) = company.events(Raised)
    check_card(card(0, incarnation=raised.incarnation + 1000), sender(0))


def test_who_is_told_of_a_later_process_goes_above_it():
    company = Company(1)
    company.say(1, You(4, "a" * 16, ""))
    assert company.events(Raised | Superseded) == [Raised(5)]


def test_another_process_under_our_id_that_says_hello_is_told_if_it_is_behind():
    company = Company()
    company.say(0, hello(0, **BEFORE), **BEFORE)
    ((_, you),) = company.sent(You)
    assert (you.incarnation, you.boot) == (1, card(0).boot)


def test_hellos_under_our_id_end_nobody_unless_their_sender_answers_ours():
    company = Company(1)
    for incarnation in range(2, 40, 2):
        later = {"boot": "f" * 16, "incarnation": incarnation}
        company.say_from("10.0.0.66", 0, hello(0, **later), **later)
        company.wait(0.2, 1)
    assert company.events(Raised | Superseded) == [Raised(3), Raised(5), Raised(7)]
    rival = Address("10.0.0.66", 7400)
    assert [hello.card.incarnation for to, hello in company.sent(Hello) if to == rival][:3] == [3, 5, 7]
    company.say_from("10.0.0.66", 0, You(38, "f" * 16, str(rival)), boot="f" * 16)
    assert company.events(Superseded) == [Superseded("f" * 16)]


def test_a_known_node_that_speaks_as_another_process_is_looked_at_now_and_then():
    company = Company(1)
    for seq in range(1000, 1010):
        company.say(1, beat(seq), **LATER)
        company.wait(0.05, 1)
    assert [to for to, _ in company.sent(Hello)] == [address(1)]
    assert company.member(1).card.boot == card(1).boot
    company.say(1, Welcome(card(1, **LATER), beat(), str(address(1))), **LATER)
    assert company.member(1).card.boot == LATER["boot"]


def test_who_went_above_another_process_says_so_wherever_that_one_is_known():
    company = Company(1, 2)
    for teller in (1, 2):
        company.say(teller, You(3, "a" * 16, ""))
    assert company.events(Raised) == [Raised(4)]
    hellos = company.sent(Hello)
    assert [(to, hello.card.incarnation) for to, hello in hellos] == [(address(1), 4), (address(2), 4)]
    company.say(1, welcome(1))


def test_another_process_is_looked_at_even_where_the_peer_itself_was_thought_to_be():
    company = Company(1)
    company.say(1, hello(1, **LATER), **LATER)
    company.meet(1, **LATER)
    company.sent()
    company.say(1, beat(9000))
    company.wait(0.1)
    assert [to for to, _ in company.sent(Hello)] == [address(1)]


def test_the_same_process_does_not_come_back_from_a_goodbye():
    company = Company(1)
    company.say(1, Bye())
    for message in (beat(9000), hello(1)):
        company.say(1, message)
    assert company.status(1) is Status.LEFT
    company.say(1, hello(1, **LATER), **LATER)
    assert company.status(1) is Status.ALIVE


def test_what_was_published_meanwhile_is_not_undone_by_a_late_answer():
    company = Company(1)
    company.say(1, beat(500, state=Status.DRAINING))
    company.say(1, Hello("mesh", 1, card(1), beat(499, state=Status.JOINING), str(address(0))))
    assert company.status(1) is Status.DRAINING


def test_of_two_answers_that_took_two_ways_the_later_one_counts():
    company = Company()
    company.say(1, Hello("mesh", 1, card(1), beat(2), str(address(0))))
    assert company.status(1) is Status.ALIVE
    company.say(1, Hello("mesh", 1, card(1), beat(1, state=Status.JOINING), str(address(0))))
    assert company.status(1) is Status.ALIVE


def test_strangers_who_said_no_hello_are_nobody():
    company = Company()
    for message in (beat(), Bye(), Pull(ID[0], card(0).boot, 0)):
        company.say(1, message)
    company.wait(2.0)
    assert company.sent(object) and all(isinstance(message, Beat) for _, message in company.sent(object))
    assert [*company.tables.members] == [ID[0]]


def test_only_so_many_can_be_met_and_the_gone_make_room(monkeypatch):
    monkeypatch.setattr("mesh.gossip.roster.MAX_PEERS", 3)
    company = Company()
    for number in range(1, 6):
        company.say(number, hello(number))
    assert set(company.tables.members) == {*ID[:4]}
    company.say(2, Bye())
    company.say(5, hello(5))
    assert set(company.tables.members) == {ID[0], ID[1], ID[3], ID[5]}


def test_a_host_has_only_so_many_nodes_and_leaves_room_for_others(monkeypatch):
    monkeypatch.setattr("mesh.gossip.roster.MAX_PER_HOST", 3)
    company = Company(1)

    def come(number: int) -> None:
        company.membership.receive(hello(number), sender(number)._replace(host="10.0.0.66"), company.now)

    for number in range(2, 9):
        come(number)
    assert set(company.tables.members) == {*ID[:5]}
    company.membership.receive(Bye(), sender(3), company.now)
    come(8)
    assert set(company.tables.members) == {ID[0], ID[1], ID[2], ID[4], ID[8]}
    company.say(7, hello(7))
    assert ID[7] in company.tables.members


def test_a_node_that_has_moved_tells_all_and_greets_each_where_it_is():
    company = Company(1, 2)
    company.membership.move(("10.0.9.9",), company.now)
    said = company.sent()
    hellos = {to: message for to, message in said if isinstance(message, Hello)}
    assert hellos.keys() == {address(1), address(2)}
    assert {hello.card.addresses for hello in hellos.values()} == {("10.0.9.9",)}
    (delta,) = [message for to, message in said if to is None and isinstance(message, Delta)]
    assert [key for key, _, _ in delta.changes] == ["card"]
    assert company.member(0).card.addresses == ("10.0.9.9",)


def test_a_peer_that_has_left_the_address_where_it_answered_is_asked_at_the_others():
    company = Company(1)
    moved = card(1, addresses=("10.0.1.1",))
    company.say_from("10.0.1.1", 1, replace(hello(1), card=moved, beat=beat(20, version=2)))
    assert company.member(1).card == moved
    assert company.membership.route(card(1).id) is None
    company.membership.handle_timer(company.now)
    new = Address("10.0.1.1", 7400)
    assert new in [to for to, _ in company.sent(Hello)]
    company.events()
    company.say_from("10.0.1.1", 1, Welcome(moved, beat(21, version=2), str(new)))
    assert company.membership.route(card(1).id) == new
    assert [event.address for event in company.events(Subscribe)] == [Address("10.0.1.1", 7401)]
    assert company.status(1) is Status.ALIVE


def test_an_older_card_that_comes_late_is_not_taken():
    company = Company(1)
    company.say_from("10.0.1.1", 1, replace(hello(1), card=card(1, addresses=("10.0.1.1",)), beat=beat(20, version=1)))
    assert company.member(1).card == card(1)
    assert company.membership.route(card(1).id) == address(1)


def test_a_hello_is_answered_by_the_known_way_and_by_the_way_it_took():
    company = Company(1)
    company.say_from("10.0.1.1", 1, hello(1))
    assert {to for to, _ in company.sent(Welcome)} == {address(1), Address("10.0.1.1", 7400)}


def test_a_suspect_that_speaks_by_another_network_is_found_there():
    company = Company(1, 2, 3)
    company.wait(2.5, 2, 3)
    assert company.status(1) in (Status.SUSPECT, Status.UNREACHABLE)
    company.sent()
    company.say_from("10.0.1.1", 1, beat(30))
    company.membership.handle_timer(company.now)
    other = Address("10.0.1.1", 7400)
    assert other in [to for to, _ in company.sent(Hello)]
    company.say_from("10.0.1.1", 1, Welcome(card(1), beat(31), str(other)))
    assert company.membership.route(card(1).id) == other


def test_of_one_host_so_many_processes_are_met_at_once_and_then_one_a_second():
    company = Company()
    boots = (f"{number:016x}" for number in range(1, 5000))

    def met() -> int:
        for boot in islice(boots, 1000):
            company.say_from("10.9.9.9", 1, hello(1, boot=boot, incarnation=int(boot, 16)), boot=boot)
        return len({event.new.card.boot for event in company.events(MemberChanged)})

    assert met() == NEWCOMERS[1]
    company.say(2, hello(2))
    assert company.status(2) is Status.ALIVE, "who comes from another host is met nevertheless"
    company.wait(3.01)
    company.events()
    assert met() == 3 * NEWCOMERS[0]
