from mesh.gossip.allowance import Allowance, Allowances
from mesh.gossip.message import Ping, Pong
from mesh.gossip.roster import QUESTIONS
from tests.gossip.company import Company


def test_a_burst_may_be_taken_and_then_so_much_a_second():
    allowance = Allowance(50.0, 200.0, 10.0)
    assert sum(allowance.take(10.0) for _ in range(1000)) == 200
    assert not allowance.take(10.0)
    assert sum(allowance.take(11.0) for _ in range(1000)) == 50
    assert sum(allowance.take(1e6) for _ in range(1000)) == 200


def test_what_is_not_there_is_not_taken_and_the_rest_stays():
    allowance = Allowance(10.0, 100.0, 0.0)
    assert allowance.take(0.0, 60) and not allowance.take(0.0, 41) and allowance.take(0.0, 40)
    assert not allowance.full(9.9) and allowance.full(10.0)


def test_each_host_has_its_own_and_only_the_latest_are_remembered():
    allowances = Allowances(1.0, 2.0, most=3)
    assert [allowances.take("a", 0.0) for _ in range(3)] == [True, True, False]
    assert allowances.take("b", 0.0) and allowances.take("c", 1.0)
    assert allowances.take("d", 1.0), "b had all of its own back, and made room"
    assert [allowances.take("a", 1.0) for _ in range(2)] == [True, False]
    for number in range(100):
        assert allowances.take(f"h{number}", 1.0)
    assert len(allowances._hosts) == 3


def test_a_peer_that_asks_without_end_is_answered_so_often_and_its_answers_are_heard():
    company = Company(1, 2)
    for _ in range(1000):
        company.say(1, Ping(1))
    company.say(2, Ping(2))
    answers = [pong.nonce for _, pong in company.sent(Pong)]
    assert answers.count(1) == QUESTIONS[1] and answers.count(2) == 1
