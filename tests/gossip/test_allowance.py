from mesh.gossip.allowance import BURST, RATE, Allowance
from mesh.gossip.message import Ping, Pong
from tests.gossip.company import Company


def test_a_burst_is_answered_and_then_so_many_a_second():
    allowance = Allowance(10.0)
    assert sum(allowance.take(10.0) for _ in range(1000)) == BURST
    assert not allowance.take(10.0)
    assert sum(allowance.take(11.0) for _ in range(1000)) == RATE
    assert sum(allowance.take(1e6) for _ in range(1000)) == BURST


def test_a_peer_that_asks_without_end_is_answered_so_often_and_its_answers_are_heard():
    company = Company(1, 2)
    for _ in range(1000):
        company.say(1, Ping(1))
    company.say(2, Ping(2))
    answers = [pong.nonce for _, pong in company.sent(Pong)]
    assert answers.count(1) == BURST and answers.count(2) == 1
