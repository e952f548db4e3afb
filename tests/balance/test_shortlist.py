import random
from dataclasses import replace

from mesh.balance.shortlist import EACH, ENOUGH, FEW, shortlist
from mesh.gossip.member import Link, Load
from mesh.gossip.tables import Tables
from tests.balance.fleet import ASK, fleet, judge, lead, node, place, replica, seen_by

FULL = Load(tx_bps=1000, capacity_bps=1000)
ZONES = ("fra", "ams", "lon", "nyc")


def listed(request, tables, seed=1):
    return shortlist(request, tables, judge(request, tables), random.Random(seed))


def filled(tables, full):
    """The same tables, with these members full."""
    members = [replace(member, load=FULL) if full(member) else member for member in tables.members.values()]
    entries = [tables.leader("live/x"), *tables.replicas("live/x")]
    return Tables(tables.me, members, [entry for entry in entries if entry])


def test_a_small_mesh_is_judged_whole():
    tables = fleet(FEW, ZONES, [lead(node(5))])
    assert len(listed(ASK, tables)) == FEW


def test_a_large_one_is_not_and_explained_are_some_of_those_who_have_no_room():
    tables = filled(fleet(400, ZONES, [lead(node(4))]), lambda member: member.zone in ("fra", "ams"))
    request = replace(ASK, sid="s")
    found, explained = listed(request, tables), listed(replace(request, explain=True), tables)
    assert len(found) <= ENOUGH
    assert explained[: len(found)] == found
    assert len(explained) == len(found) + ENOUGH
    assert {candidate.lost for candidate in explained[len(found) :]} == {"is full: sends 1,000 of 1,000 b/s"}


def test_the_asked_node_comes_first_and_alone_if_the_client_is_tied_to_it():
    tables = fleet(400, ZONES, [lead(node(4))])
    assert listed(ASK, tables)[0].here
    assert [candidate.here for candidate in listed(replace(ASK, via="b"), tables)] == [True]


def test_nobody_is_listed_twice():
    tables = fleet(400, ZONES, [lead(node(4)), *(replica(node(number), node(4)) for number in range(0, 400, 3))])
    nodes = [candidate.node for candidate in listed(ASK, tables)]
    assert len(nodes) == len({*nodes})


def test_no_other_zone_is_looked_at_while_the_own_has_room():
    tables = fleet(400, ZONES, [lead(node(4)), *(replica(node(number), node(4)) for number in range(8, 200, 4))])
    found = listed(ASK, tables)
    assert {candidate.zone for candidate in found} == {"fra"}
    assert sum(candidate.role != "" for candidate in found[1:]) == EACH


def test_whoever_has_room_is_found_among_all_who_have_not():
    tables = filled(fleet(400, ZONES, [lead(node(4))]), lambda member: member.zone == "fra" and member.name != "n200")
    assert [candidate.node for candidate in listed(ASK, tables) if not candidate.lost] == [node(200).id]


def test_the_nearest_zone_with_room_comes_next():
    tables = filled(fleet(400, ZONES, [lead(node(4))]), lambda member: member.zone in ("fra", "ams"))
    far = {member.id: Link({"lon": 20, "nyc": 90}.get(member.zone, 1), 0) for member in tables.members.values()}
    tables.set_member(replace(tables.members[tables.me], links=far))
    assert tables.members[place(ASK, tables).node].zone == "lon"


def test_whichever_node_a_session_asks_it_meets_the_same_nodes():
    entries = [lead(node(4)), *(replica(node(number), node(4)) for number in range(8, 200, 2))]
    tables = fleet(400, ("fra",), entries)
    for sid in map(str, range(20)):
        first, second = (
            {candidate.node for candidate in listed(replace(ASK, sid=sid), seen_by(tables, node(asked), entries))[1:]}
            for asked in (1, 3)
        )
        assert len(first & second) >= len(first) - 2
