from random import Random

import pytest

from mesh.gossip.pulse import REPEATED_S, Pulse


def beats(pulse: Pulse, count: int, interval: float = 0.5, skip: int = 0) -> float:
    now = pulse.heard
    for _ in range(count):
        now += interval
        assert pulse.beat(pulse.seq + 1 + skip, 0.5, now)
    return now


def test_a_silence_of_three_periods_is_normal():
    pulse = Pulse(100.0)
    beats(pulse, 50)
    assert pulse.patience == 1.5


@pytest.mark.parametrize("period", [0.2, 0.5, 1.5625])
def test_patience_follows_the_period_that_is_announced(period):
    pulse = Pulse(0.0)
    pulse.beat(1, period, 0.3)
    assert 3 * period <= pulse.patience <= 3.6 * period


def test_irregular_beats_stretch_patience_but_never_beyond_its_end():
    random, pulse, now = Random(1), Pulse(0.0), 0.0
    for seq in range(100):
        now += random.choice([0.1, 0.9])
        pulse.beat(seq, 0.5, now)
    assert pulse.patience == 1.8


def test_an_old_beat_is_none():
    pulse = Pulse(0.0)
    assert pulse.beat(5, 0.5, 1.0)
    assert not pulse.beat(5, 0.5, 1.1)
    assert not pulse.beat(4, 0.5, 1.2)


def test_loss_is_the_share_of_beats_that_came_late_or_not_at_all():
    regular, late, lost = Pulse(0.0), Pulse(0.0), Pulse(0.0)
    beats(regular, 200)
    beats(late, 200, interval=0.75)
    beats(lost, 200, interval=0.5, skip=1)
    assert regular.loss == 0.0
    assert late.loss == pytest.approx(1.0, abs=0.01)
    assert lost.loss == pytest.approx(0.5, abs=0.05)


def test_a_gap_of_any_length_counts_for_a_limited_time():
    pulse = Pulse(0.0)
    pulse.beat(1, 0.5, 0.5)
    pulse.beat(1 << 60, 0.5, 1.0)
    assert 0.5 < pulse.loss < 0.7


def test_a_beat_that_was_repeated_on_the_way_is_dated_by_its_senders_clock():
    pulse = Pulse(100.0)
    for uptime, now, sent in ((7.0, 100.0, 100.0), (7.5, 100.5, 100.5), (8.0, 102.4, 101.0), (8.5, 102.4, 101.5)):
        pulse.date(uptime, now)
        assert pulse.sent == pytest.approx(sent, abs=0.01)


def test_a_clock_that_is_slow_or_was_stopped_does_not_make_every_beat_late():
    slow, stopped = Pulse(0.0), Pulse(0.0)
    for second in range(100_000):
        slow.date(second * 0.9995, float(second))
    assert slow.sent == second
    stopped.date(5.0, 3600.0)
    assert stopped.sent == 3600.0 - REPEATED_S


def test_beats_that_waited_for_us_do_not_make_their_sender_irregular():
    stopped, pulse = Pulse(0.0), Pulse(0.0)
    for each in (stopped, pulse):
        beats(each, 20)
    for seq in range(21, 27):  # all that gathered in three seconds
        assert stopped.beat(seq, 0.5, 13.0)
        assert pulse.beat(seq, 0.5, 13.0, excused=True)
    assert (stopped.patience, pulse.patience) == (1.8, 1.5)
    assert not pulse.beat(26, 0.5, 13.1, excused=True)
    assert pulse.beat_at == 13.0
