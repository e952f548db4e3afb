from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.load import lack
from mesh.balance.room import MANY, RESERVE, Rooms
from mesh.config.weight import LIMITS
from mesh.gossip.member import Load
from mesh.gossip.tables import Tables
from tests.balance.fleet import LOADS, node

ROOMY, CROWDED, FULL = (Load(tx_bps=sends, capacity_bps=1000) for sends in (100, 880, 900))
ILL = Load(ill="disk is full")


def resorts(rooms, *loads):
    members = {member.id: member for member in (node(number, load=load) for number, load in enumerate(loads))}
    found = {member.id: resort for member, resort in rooms.resorts_of(members, members)}
    return [found[id] for id in members]


@pytest.mark.parametrize(
    "load, resort",
    [
        (ROOMY, 0),
        (CROWDED, 1),
        (ILL, 2),
        (replace(CROWDED, ill="disk is full"), 2),
        (FULL, 3),
        (replace(FULL, ill="disk is full"), 3),
        (replace(ILL, usable=False), 3),
        (Load(players=97), 1),
        (Load(players=100), 3),
    ],
)
def test_a_node_takes_clients_of_others_as_far_as_it_has_room(load, resort):
    assert resorts(Rooms({**LIMITS, "players": 100}), load) == [resort]


def test_a_new_report_counts_at_once():
    rooms = Rooms()
    assert [resorts(rooms, *loads) for loads in ((ROOMY, FULL), (ROOMY, FULL), (FULL, CROWDED))] == [
        [0, 3],
        [0, 3],
        [3, 1],
    ]


def test_a_zone_is_full_until_one_of_its_nodes_has_room_or_leaves_it():
    rooms, tables = (
        Rooms(),
        Tables("", [node(1, "fra", load=FULL), node(2, "fra", load=FULL), node(3, "lon", load=ILL)]),
    )
    assert [rooms.full(zone, tables) for zone in ("fra", "lon", "ams")] == [True, False, True]
    tables.set_member(node(2, "fra", load=CROWDED))
    assert not rooms.full("fra", tables)
    tables.set_member(node(2, "fra", load=FULL))
    assert rooms.full("fra", tables)
    tables.set_member(node(4, "fra", load=ROOMY))
    assert not rooms.full("fra", tables)
    tables.forget_member(node(4).id)
    assert rooms.full("fra", tables)
    tables.set_member(node(3, "fra", load=ILL))
    assert [rooms.full(zone, tables) for zone in ("fra", "lon")] == [False, True]
    for number in (1, 2, 3):
        tables.forget_member(node(number).id)
    assert tables.written == {}


def test_nodes_that_come_and_go_are_not_remembered_for_ever():
    rooms = Rooms()
    for _ in range(2):
        resorts(rooms, *[ROOMY] * (MANY + 10))
    assert len(rooms._known) <= MANY


@given(st.lists(LOADS, max_size=20))
def test_it_is_what_the_limits_say(loads):
    for load, resort in zip(loads, resorts(Rooms(), *loads), strict=True):
        reserved = {**LIMITS, "bandwidth": LIMITS["bandwidth"] * (1 - RESERVE)}
        able = [not lack(load, reserved, False), not lack(load, LIMITS, False), not lack(load, LIMITS, True)]
        assert resort == (able.index(True) if True in able else 3)
