"""A crowd is placed nearly as well as it could be, and the yardstick is right."""

import xml.etree.ElementTree as ET
from itertools import permutations
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.sim.commands import sim
from tests.sim.crowd import Crowd
from tests.sim.deciding import DECISIONS, WHERE_ALL_ARE_FULL
from tests.sim.fleet import Fleet
from tests.sim.optimum import least_cost, least_tree
from tests.sim.placing import cost, rtt
from tests.sim.rivals import WAYS

PRICES = st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3)


def crowd(way, players=800):
    random = Random(1)
    placed = Crowd(Fleet(12, 3, 400, players / 0.5, random), WAYS[way], players, random)
    placed.run()
    return placed


def test_a_crowd_is_placed_nearly_as_well_as_it_could_be():
    ours = crowd("ours")
    assert rtt(ours) < 1.05
    assert cost(ours) < 1.1
    assert sum(seen.over for seen in ours.seen) == 0
    assert ours.refused < 0.01 * ours.joined


def test_a_way_that_knows_no_zones_is_seen_to_be_far_off():
    theirs = crowd("two choices", 300)
    assert rtt(theirs) > 3
    assert cost(theirs) > 2


@given(PRICES, st.lists(st.integers(0, 2), min_size=3, max_size=3).filter(any))
def test_the_least_cost_is_the_least_of_all_ways_to_place(prices, rooms):
    seats = [host for host, room in enumerate(rooms) for _ in range(room)]
    zones = [0, 1, 2][: len(seats)]
    least = min(
        sum(prices[zone][seat] for zone, seat in zip(zones, order, strict=False)) for order in permutations(seats)
    )
    demand, room = {str(zone): 1 for zone in zones}, {str(host): room for host, room in enumerate(rooms)}
    assert least_cost(demand, room, lambda zone, host: prices[int(zone)][int(host)]) == pytest.approx(least)


def test_the_least_tree_goes_through_whoever_is_near():
    places = {"a": 0, "b": 3, "c": 4, "d": -2}
    assert least_tree("a", "abcd", lambda one, other: abs(places[one] - places[other])) == 6
    assert least_tree("a", "a", lambda one, other: 1.0) == 0


@pytest.mark.parametrize("zones", ["1", "2"])
def test_the_command_prints_a_row_for_each_way_and_draws_them(tmp_path, zones):
    plot = tmp_path / "plot.svg"
    asked = ["place", "-n", "4", "--zones", zones, "--players", "60", "--streams", "20", "--plot", str(plot)]
    result = CliRunner().invoke(sim, asked)
    assert result.exit_code == 0, result.output
    assert all(way in result.output for way in WAYS)
    assert "two choices" in "".join(ET.parse(plot).getroot().itertext())


def test_the_other_command_prints_how_long_each_decision_takes():
    result = CliRunner().invoke(sim, ["decide", "-n", "40", "--zones", "2", "--streams", "50", "--runs", "20"])
    assert result.exit_code == 0, result.output
    assert all(who in result.output for who in (*DECISIONS, *WHERE_ALL_ARE_FULL))
