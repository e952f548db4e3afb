import pytest

from mesh.relay.pace import DECAY, MIN_RATE, RATE, Pace


def heard(size: int, interval_s: float, count: int) -> Pace:
    """The pace after some messages."""
    pace = Pace()
    for number in range(count):
        pace.heard(size, number * interval_s)
    return pace


def test_until_more_is_known_it_is_two_megabits() -> None:
    assert heard(5000, 0.02, 10).rate == RATE == 1 << 18


@pytest.mark.parametrize(("size", "interval_s"), [(5000, 0.02), (65_536, 0.7), (100_000, 0.04), (20_000, 1)])
def test_bytes_are_counted_by_the_second(size: int, interval_s: float) -> None:
    assert heard(size, interval_s, 100).rate == pytest.approx(size / interval_s, rel=0.05)


def test_after_a_long_pause_it_is_slow_but_not_without_end() -> None:
    pace = heard(5000, 0.02, 100)
    pace.heard(5000, 1000)
    assert pace.rate == MIN_RATE


@pytest.mark.parametrize("interval_s", [0.01, 0.04, 1])
def test_the_interval_is_that_of_the_last_messages(interval_s: float) -> None:
    pace = heard(100, 0.02, 100)
    for number in range(1, 50):
        pace.heard(100, 99 * 0.02 + number * interval_s)
    assert pace.interval_s == pytest.approx(interval_s, rel=0.01)


def test_the_peak_is_forgotten_slowly() -> None:
    pace = heard(5000, 0.02, 100)
    high = pace.peak
    assert high == pytest.approx(pace.rate, rel=0.05)
    for number in range(1, 250):
        pace.heard(500, 2 + number * 0.02)
    assert pace.rate == pytest.approx(25_000, rel=0.05)
    assert high * DECAY**6 < pace.peak < high * DECAY**3
