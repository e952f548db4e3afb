from math import inf

import pytest

from mesh.relay.silence import MAX_ASK_S, Silence


def waits(silence: Silence, rtt_s: float, count: int) -> list[float]:
    """How long each question waits for an answer that does not come."""
    now, pauses = 0.0, []
    for _ in range(count):
        silence.asked(rtt_s, now)
        pauses.append(silence.ask_at - now)
        now = silence.ask_at
    return pauses


def test_at_first_nothing_is_asked() -> None:
    assert Silence().ask_at == inf


def test_a_question_is_repeated_ever_less_often() -> None:
    assert waits(Silence(), 0.001, 7) == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5])


def test_over_a_long_way_it_is_repeated_after_two_round_trips() -> None:
    assert waits(Silence(), 0.2, 4) == pytest.approx([0.4, 0.4, 0.4, 0.5])


def test_it_can_be_asked_in_vain_for_a_month() -> None:
    silence = Silence()
    for now in range(100_000):
        silence.asked(0.001, now * 2.0)
    assert silence.ask_at == pytest.approx(2 * 99_999 + MAX_ASK_S)


@pytest.mark.parametrize(("rtt_s", "lost_at"), [(0.001, 0.7), (0.1, 1.3), (0.5, 3.0)])
def test_without_an_answer_a_supplier_is_lost(rtt_s: float, lost_at: float) -> None:
    silence, now = Silence(), 0.0
    while not silence.asked(rtt_s, now):
        now = silence.ask_at
    assert now == pytest.approx(lost_at)


def test_an_answer_saves_it() -> None:
    silence = Silence()
    assert not silence.asked(0, 0)
    silence.answered(0.02, 0.5)
    assert not silence.asked(0, 10)
    assert silence.asked(0, 11)


@pytest.mark.parametrize(("interval_s", "pause"), [(0.01, 0.2), (0.04, 0.2), (0.1, 0.5), (1, 2)])
def test_media_is_missed_after_five_intervals_but_not_before_200_ms(interval_s: float, pause: float) -> None:
    silence = Silence()
    silence.answered(interval_s, 7)
    assert silence.ask_at == 7 + pause


def test_a_supplier_with_nothing_new_is_asked_half_as_often_each_time() -> None:
    silence, pauses = Silence(), []
    for _ in range(5):
        silence.idle()
        silence.answered(0.02, 0)
        pauses.append(silence.ask_at)
    assert pauses == [0.4, 0.8, 1.6, 2, 2]
    silence.broken()
    silence.answered(0.02, 0)
    assert silence.ask_at == 0.2


def test_a_supplier_has_its_chance_until_the_first_question_is_repeated() -> None:
    silence = Silence()
    assert not silence.in_vain(0)
    silence.asked(0.001, 0)
    assert not silence.in_vain(0.09) and silence.in_vain(0.1)
    silence.answered(0.02, 0.2)
    assert not silence.in_vain(0.3)


def test_a_supplier_that_twice_has_nothing_new_has_had_its_chance() -> None:
    silence, chances = Silence(), []
    for _ in range(2):
        silence.asked(0.001, 0)
        silence.idle()
        silence.answered(0.02, 0)
        chances.append(silence.in_vain(0))
    assert chances == [False, True]
    silence.broken()
    assert not silence.in_vain(0)
