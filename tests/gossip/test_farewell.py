from mesh.gossip.event import Unsubscribe
from mesh.gossip.member import Status
from mesh.gossip.message import Bye, Ping, Pong
from tests.gossip.company import Company, address, beat, hello


def accused_of_leaving() -> tuple[Company, int]:
    """A node in whose company somebody said goodbye, and the number in the question whether it was 1."""
    company = Company(1, 2)
    company.say(1, Bye())
    ((to, ping),) = company.sent(Ping)
    assert to == address(1)
    return company, ping.nonce


def test_a_goodbye_goes_to_all_by_both_ways():
    company = Company(1, 2)
    company.membership.leave(company.now)
    assert [to for to, _ in company.sent(Bye)] == [None, address(1), address(2)]
    assert company.status(0) is Status.LEFT


def test_who_has_left_says_no_more():
    company = Company(1)
    company.membership.leave(company.now)
    company.sent()
    company.say(1, Ping(7))
    company.say(1, hello(1))
    assert company.sent() == []


def test_a_goodbye_is_believed_at_once_and_its_sender_is_asked():
    company, _ = accused_of_leaving()
    assert company.status(1) is Status.LEFT


def test_what_was_under_way_does_not_bring_back_who_has_left():
    company, nonce = accused_of_leaving()
    for message in (beat(9000), Pong(nonce ^ 1), Bye()):
        company.say(1, message)
    assert company.status(1) is Status.LEFT and company.sent(Ping) == []


def test_who_answers_after_a_goodbye_did_not_say_it_and_is_back_at_once():
    company, nonce = accused_of_leaving()
    company.say(1, Pong(nonce))
    assert company.status(1) is Status.ALIVE
    company.wait(3, 1, 2)
    assert company.status(1) is Status.ALIVE and company.events(Unsubscribe) == []


def test_no_further_goodbye_of_his_is_believed_and_his_silence_is():
    company, nonce = accused_of_leaving()
    company.say(1, Pong(nonce))
    company.say(1, Bye())
    assert company.status(1) is Status.ALIVE
    company.wait(8, 2)
    assert company.status(1) in (Status.SUSPECT, Status.DEAD, Status.UNREACHABLE)
