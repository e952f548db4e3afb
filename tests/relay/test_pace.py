import pytest

from mesh.media.frame import Frame, Kind
from mesh.relay.pace import DECAY, MIN_RATE, RATE, Pace


def frame(size: int, dts: float = 0, config: bool = False) -> Frame:
    return Frame(0, Kind.VIDEO, int(dts), 0, False, config, bytes(size))


def heard(size: int, interval_s: float, count: int) -> Pace:
    """The pace after some messages."""
    pace = Pace()
    for number in range(count):
        pace.heard([frame(size, 1000 * number * interval_s)], number * interval_s)
    return pace


def test_until_more_is_known_it_is_two_megabits() -> None:
    assert heard(5000, 0.02, 10).rate == RATE == 1 << 18


def test_what_comes_all_at_once_at_first_is_measured_by_its_own_time() -> None:
    pace = Pace()
    assert pace.heard([frame(700, config=True), frame(5000, 90_000)], 0) == 5700
    assert pace.expected == RATE
    pace.heard([frame(1000, 90_000 + 40 * number) for number in range(1, 26)], 0.01)
    assert pace.expected == pytest.approx(30_700)
    for number in range(1, 200):
        pace.heard([frame(2000, 91_000 + 40 * number)], 0.04 * number)
    assert pace.expected == pace.peak == pytest.approx(50_000, rel=0.1)


@pytest.mark.parametrize(("size", "interval_s"), [(5000, 0.02), (65_536, 0.7), (100_000, 0.04), (20_000, 1)])
def test_bytes_are_counted_by_the_second(size: int, interval_s: float) -> None:
    assert heard(size, interval_s, 100).rate == pytest.approx(size / interval_s, rel=0.05)


def test_after_a_long_pause_it_is_slow_but_not_without_end() -> None:
    pace = heard(5000, 0.02, 100)
    pace.heard([frame(5000)], 1000)
    assert pace.rate == MIN_RATE


@pytest.mark.parametrize("interval_s", [0.01, 0.04, 1])
def test_the_interval_is_that_of_the_last_messages(interval_s: float) -> None:
    pace = heard(100, 0.02, 100)
    for number in range(1, 50):
        pace.heard([frame(100)], 99 * 0.02 + number * interval_s)
    assert pace.interval_s == pytest.approx(interval_s, rel=0.01)


def test_the_peak_is_forgotten_slowly() -> None:
    pace = heard(5000, 0.02, 100)
    high = pace.peak
    assert high == pytest.approx(pace.rate, rel=0.05)
    for number in range(1, 250):
        pace.heard([frame(500)], 2 + number * 0.02)
    assert pace.rate == pytest.approx(25_000, rel=0.05)
    assert high * DECAY**6 < pace.peak < high * DECAY**3
