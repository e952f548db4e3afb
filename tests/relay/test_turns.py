from math import inf

from mesh.relay.feed import Link
from mesh.relay.turns import BLOCKED_S, RETRY_S, URGENT_S, YIELD_S, Turns


def link(peer: str = "f", stream: str = "live/x", priority: int = 0) -> Link:
    return Link(peer, stream, 1, None, 0, 1 << 20, 0, 0, priority)


def due(turns: Turns, now: float = 0) -> list[Link]:
    """All who have their turn now."""
    return list(iter(lambda: turns.next(now), None))


def test_links_have_their_turn_in_the_order_in_which_they_were_due_and_once() -> None:
    turns, one, two = Turns(), link(), link("g")
    for each in (one, two, one):
        turns.add(each)
    assert due(turns) == [one, two] and due(turns) == []
    turns.add(one)
    assert due(turns) == [one]


def test_a_connection_that_takes_nothing_is_tried_again_ever_less_often_and_then_given_up() -> None:
    turns, one, other = Turns(), link(), link(stream="live/y")
    assert not turns.blocked(one, 1) and turns.retry_at == 1 + RETRY_S
    turns.add(other)
    assert due(turns) == []
    turns.retry()
    assert due(turns) == [one, other] and turns.retry_at == inf
    assert not turns.blocked(one, 2) and turns.retry_at == 2.1
    assert turns.blocked(one, 1 + BLOCKED_S)


def test_one_that_takes_something_again_is_not_blocked() -> None:
    turns, one = Turns(), link()
    turns.blocked(one, 0)
    turns.retry()
    turns.sent(one)
    assert due(turns) == [one]
    assert not turns.blocked(one, 10 * BLOCKED_S)


def test_while_a_link_lags_those_of_lower_priority_to_its_follower_wait() -> None:
    turns = Turns()
    high, low, equal, elsewhere = link(priority=1), link(stream="live/y"), link(stream="live/z", priority=1), link("g")
    turns.lags(high, URGENT_S + 0.1)
    for each in (high, low, equal, elsewhere):
        turns.add(each)
    assert due(turns, 7) == [high, equal, elsewhere] and turns.retry_at == 7 + YIELD_S
    turns.lags(high, 0)
    turns.retry()
    assert due(turns) == [low]


def test_who_is_gone_holds_up_nobody() -> None:
    turns, high, low = Turns(), link(priority=1), link(stream="live/y")
    turns.lags(high, 1)
    turns.drop(high, last=False)
    turns.add(low)
    assert due(turns) == [low]
    turns.blocked(low, 0)
    turns.drop(low, last=True)
    turns.add(high)
    assert due(turns) == [high]
