from itertools import pairwise
from random import Random

from mesh.config import Address
from mesh.gossip.dialing import GIVE_UP_S, HELLOS, MAX_CANDIDATES, Dialing
from tests.gossip.company import address


class Line:
    """Dialling, and when it tried whom."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self.dialing = Dialing(lambda id: id in self.met, Random(3), 0.0)
        self.now = 0.0

    def wait(self, seconds: float) -> list[tuple[float, Address]]:
        tried = []
        end = self.now + seconds
        while self.dialing.due <= end:
            self.now = max(self.now, self.dialing.due)
            tried += [(self.now, address) for address in self.dialing.tick(self.now)]
        self.now = end
        return tried


def test_an_address_is_tried_at_once_and_then_ever_more_seldom():
    line = Line()
    line.dialing.add([address(1)], 0.0)
    times = [when for when, _ in line.wait(200)]
    waits = [later - sooner for sooner, later in pairwise(times)]
    assert times[0] == 0.0
    for wait, expected in zip(waits, [1, 2, 4, 8, 16, 30, 30, 30], strict=False):
        assert expected * 0.8 <= wait <= expected * 1.2


def test_the_addresses_of_one_node_are_raced_the_better_ones_a_moment_ahead():
    line = Line()
    line.dialing.add([address(1), address(2), address(3)], 0.0, id="x")
    assert line.wait(0.5) == [(0.0, address(1)), (0.1, address(2)), (0.2, address(3))]


def test_seeds_are_not_raced_but_tried_together():
    line = Line()
    line.dialing.add([address(1), address(2)], 0.0)
    assert line.wait(0.5) == [(0.0, address(1)), (0.0, address(2))]


def test_nobody_is_tried_while_he_is_in_touch_and_a_seed_is_when_he_is_no_more():
    line = Line()
    line.dialing.add([address(1)], 0.0, kept=True)
    line.dialing.add([address(2)], 0.0)
    line.wait(0.1)
    for number in (1, 2):
        assert line.dialing.answered(address(number), f"{number}")
    line.met = {"1", "2"}
    assert line.wait(60) == []
    line.met = set()
    assert [to for _, to in line.wait(2)] == [address(1), address(1)]


def test_an_answer_from_where_nobody_was_asked_is_none():
    assert not Line().dialing.answered(address(1), "x")


def test_what_is_heard_of_again_is_tried_again_soon_but_not_at_once():
    line = Line()
    line.dialing.add([address(1)], 0.0)
    line.wait(100)
    line.dialing.add([address(1)], line.now)
    (when, _), *_ = line.wait(31)
    assert when - 100 <= 1.0


def test_an_address_is_given_up_after_a_day_unless_it_is_kept():
    line = Line()
    line.dialing.add([address(1)], 0.0)
    line.dialing.add([address(2)], 0.0, kept=True)
    line.wait(GIVE_UP_S + 60)
    assert {to for _, to in line.wait(120)} == {address(2)}


def test_our_own_address_is_dropped():
    line = Line()
    line.dialing.add([address(1)], 0.0)
    line.dialing.drop(address(1))
    assert line.wait(60) == []


def test_strangers_cannot_make_us_try_any_number_of_addresses_nor_forget_those_we_keep():
    line = Line()
    line.dialing.add([address(1)], 0.0, kept=True)
    line.dialing.add([Address("10.1.0.1", port) for port in range(1, MAX_CANDIDATES + 500)], 0.0)
    line.dialing.add([address(2)], 0.0)
    tried = [to for _, to in line.wait(0.5)]
    assert HELLOS[1] <= len(tried) <= HELLOS[1] + HELLOS[0] and tried[0] == address(1)
    assert len(line.dialing._candidates) == MAX_CANDIDATES
    assert address(2) in {to for _, to in line.wait(120)}


def test_of_many_addresses_only_so_many_are_tried_at_once_and_all_in_the_end():
    line = Line()
    rate, burst = HELLOS
    line.dialing.add([address(number) for number in range(1, 500)], 0.0)
    assert len(line.wait(0.01)) == burst
    assert len(line.wait(20)) <= rate * 20 + 1
    assert len({to for _, to in line.wait(60)}) == 499
