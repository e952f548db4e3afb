from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.inflight import EXPIRES_S, InFlight
from mesh.gossip.member import Card, Load, Member

CARD = Card("b", "b", "", "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
B = Member(CARD, load=Load(players=10, tx_bps=1000))


def reports(players):
    return replace(B, load=replace(B.load, players=players))


def sent(*times):
    inflight = InFlight()
    for now in times:
        inflight.send(B, 500, now)
    return inflight


def test_what_was_sent_counts_before_it_is_reported():
    load = sent(0.0, 0.1).load(B, 0.2)
    assert (load.players, load.tx_bps) == (12, 2000)


def test_publishers_count_as_streams_and_by_what_they_send():
    inflight = sent(0.0)
    for _ in range(2):
        inflight.bring(B, 700, 0.0)
    load = inflight.load(B, 0.1)
    assert (load.players, load.tx_bps, load.streams, load.rx_bps) == (11, 1500, 2, 1400)
    load = inflight.load(replace(B, load=replace(B.load, streams=1)), 0.2)
    assert (load.players, load.streams, load.rx_bps) == (11, 2, 700)
    assert inflight.load(B, EXPIRES_S) is B.load


def test_nothing_is_added_to_whom_nothing_was_sent():
    assert InFlight().load(B, 0.0) is B.load


def test_what_a_report_counts_is_on_the_way_no_more():
    inflight = sent(0.0, 0.1, 0.2)
    assert inflight.load(reports(12), 0.5).players == 13
    assert inflight.load(reports(12), 0.6).players == 13
    assert inflight.load(reports(13), 0.7).players == 13


def test_a_report_from_before_they_arrived_takes_nothing_off():
    assert sent(0.0).load(reports(10), 0.5).players == 11


def test_others_who_leave_do_not_make_room_for_those_on_the_way():
    assert sent(0.0).load(reports(4), 0.5).players == 5


def test_who_never_arrives_is_forgotten():
    inflight = sent(0.0, 1.0)
    assert inflight.load(B, EXPIRES_S).players == 11
    assert inflight.load(B, EXPIRES_S + 1.0) is B.load


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.floats(0, 2)), max_size=30))
def test_no_more_are_on_the_way_than_were_sent_and_no_fewer_than_none(steps):
    inflight, now, count = InFlight(), 0.0, 0
    for is_sent, players, pause in steps:
        now += pause
        if is_sent:
            inflight.send(B, 500, now)
            count += 1
        else:
            assert players <= inflight.load(reports(players), now).players <= players + count
