import pytest

from mesh.relay.credit import FIRST_WINDOW, MAX_WINDOW, MIN_WINDOW, Window, width

MBPS = 125_000


def test_a_new_link_may_be_sent_a_gop() -> None:
    assert Window(width(0.1, 0)).total == FIRST_WINDOW


def test_one_that_takes_the_place_of_another_begins_with_a_full_window() -> None:
    window = Window(width(0.1, 20 * MBPS))
    assert window.total == 9 * MBPS and not window.low


@pytest.mark.parametrize(
    ("mbps", "rtt_s", "granted"),
    [
        (0.1, 0.001, MIN_WINDOW),
        (4, 0, MBPS),
        (4, 0.125, 2 * MBPS),
        (20, 0.1, 9 * MBPS),
        (10_000, 1, MAX_WINDOW),
    ],
)
def test_the_window_is_a_quarter_of_a_second_and_two_round_trips(mbps: float, rtt_s: float, granted: int) -> None:
    window = Window(FIRST_WINDOW)
    window.received = 1 << 20
    assert window.grant(rtt_s, int(mbps * MBPS)) == (1 << 20) + granted


def test_the_total_follows_the_window_down() -> None:
    window = Window(FIRST_WINDOW)
    assert window.grant(0.1, 100 * MBPS) > window.grant(0.001, MBPS)


def test_it_is_low_when_half_is_used_up() -> None:
    window = Window(FIRST_WINDOW)
    window.received = FIRST_WINDOW // 2
    assert not window.low
    window.received += 1
    assert window.low
    window.grant(0, 4 * MBPS)
    assert not window.low
    window.received += MBPS
    assert window.low
