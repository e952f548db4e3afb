import pytest

from mesh.relay.credit import MAX_WINDOW, MIN_WINDOW, THIN_MS, THIN_WINDOW, Window

MBPS = 125_000


def test_a_new_link_may_be_sent_256_kib() -> None:
    assert Window().total == Window().grant(0.001, MBPS, 0) == MIN_WINDOW == 256 << 10


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
    window = Window()
    window.received = 12345
    assert window.grant(rtt_s, mbps * MBPS, 0) == 12345 + width


def test_the_total_never_falls_although_the_window_does() -> None:
    window = Window()
    before = window.grant(0.1, 100 * MBPS, 0)
    assert window.grant(0.001, MBPS, 0) == before > MIN_WINDOW


def test_it_is_low_when_half_is_used_up() -> None:
    window = Window()
    window.received = MIN_WINDOW // 2
    assert not window.low
    window.received += 1
    assert window.low
    window.grant(0, 0, 0)
    assert not window.low


@pytest.mark.parametrize(
    ("kbps", "rtt_s", "width"), [(0, 0.001, THIN_WINDOW), (1000, 0.05, 37_500), (100_000, 1, MIN_WINDOW)]
)
def test_over_a_thin_link_the_window_is_what_passes_in_a_moment(kbps: int, rtt_s: float, width: int) -> None:
    window = Window()
    window.received = MIN_WINDOW
    assert window.grant(rtt_s, 125 * kbps, THIN_MS + 1) == MIN_WINDOW + width
    assert window.grant(0, 0, THIN_MS) == 2 * MIN_WINDOW
