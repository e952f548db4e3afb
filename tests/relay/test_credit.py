import pytest

from mesh.relay.credit import MAX_WINDOW, MIN_WINDOW, Window

MBPS = 125_000


def fed(rate: int, rtt_s: float, seconds: int = 2) -> Window:
    """A window after `seconds` of `rate` bytes each."""
    window = Window(0)
    for tenth in range(1, seconds * 10 + 1):
        window.take(rate // 10, rtt_s, tenth / 10)
    return window


def test_a_new_link_may_be_sent_256_kib() -> None:
    assert Window(0).total == Window(0).grant() == MIN_WINDOW == 256 << 10


@pytest.mark.parametrize(
    ("mbps", "rtt_s", "width"),
    [
        (4, 0.001, MIN_WINDOW),
        (4, 0.2, MIN_WINDOW),
        (20, 0.1, 2 * 20 * MBPS // 10),
        (100, 0.1, 2 * 100 * MBPS // 10),
        (10_000, 1, MAX_WINDOW),
    ],
)
def test_the_window_is_two_round_trips_of_the_bitrate_within_bounds(mbps: int, rtt_s: float, width: int) -> None:
    window = fed(mbps * MBPS, rtt_s)
    assert window.grant() - window.received == pytest.approx(width, rel=0.01)


def test_the_total_never_falls_although_the_window_does() -> None:
    window = fed(100 * MBPS, 0.1)
    before = window.grant()
    for second in range(3, 6):
        window.take(1, 0.001, second)
        assert window.grant() >= before


def test_it_is_low_when_half_is_used_up() -> None:
    window = Window(0)
    window.take(MIN_WINDOW // 2, 0, 0)
    assert not window.low
    window.take(1, 0, 0)
    assert window.low
    window.grant()
    assert not window.low
