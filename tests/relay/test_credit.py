import pytest

from mesh.relay.credit import FIRST_WINDOW, MAX_WINDOW, MIN_WINDOW, Window

MBPS = 125_000


def test_a_new_link_may_be_sent_a_gop() -> None:
    assert Window().total == FIRST_WINDOW


@pytest.mark.parametrize(
    ("mbps", "rtt_s", "width"),
    [
        (0, 0.001, MIN_WINDOW),
        (4, 0, MBPS),
        (4, 0.125, 2 * MBPS),
        (20, 0.1, 9 * MBPS),
        (10_000, 1, MAX_WINDOW),
    ],
)
def test_the_window_is_a_quarter_of_a_second_and_two_round_trips(mbps: int, rtt_s: float, width: int) -> None:
    window = Window()
    window.received = 1 << 20
    assert window.grant(rtt_s, mbps * MBPS) == (1 << 20) + width


def test_the_total_follows_the_window_down() -> None:
    window = Window()
    assert window.grant(0.1, 100 * MBPS) > window.grant(0.001, MBPS)


def test_it_is_low_when_half_is_used_up() -> None:
    window = Window()
    window.received = FIRST_WINDOW // 2
    assert not window.low
    window.received += 1
    assert window.low
    window.grant(0, 4 * MBPS)
    assert not window.low
    window.received += MBPS
    assert window.low
