import random

import pytest

from mesh.balance.ring import rank
from mesh.balance.supply import DEFAULTS, suppliers
from mesh.config import load
from mesh.gossip.member import Card, Lead, LeadState, Link, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

FULL = Load(tx_bps=1000, capacity_bps=1000)
BUSY = Load(tx_bps=890, capacity_bps=1000)


def member(name, zone="", **more):
    return Member(Card(name, name, zone, "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1), **more)


def lead(node, state=LeadState.LIVE):
    return Lead(node, "live/x", 1, state)


def replica(node, *path):
    return Replica(node, "live/x", 1, path[-1] if path else "", path)


def found(members, entries, besides=(), config=DEFAULTS, me="a"):
    return suppliers("live/x", Tables(me, members, entries), besides, config)


HERE, THERE = [member(name, "fra") for name in "abc"], [member(name, "ams") for name in "de"]
CHILDREN = [replica(f"r{number}", "b") for number in range(9)]

# The members, what they say, and whom "a" may fetch from, best first.
CASES = {
    "nobody has it": (HERE, [], ""),
    "the leader goes before its replicas": (HERE, [replica("b", "c"), lead("c")], "cb"),
    "a replica goes on without a leader": (HERE, [replica("b", "x")], "b"),
    "a claim is no stream yet": (HERE, [lead("b", LeadState.CLAIM)], ""),
    "a node does not feed itself": (HERE, [lead("a"), replica("a", "b")], ""),
    "whom this node feeds does not feed it": (HERE, [replica("b", "c", "a"), lead("c")], "c"),
    "nor does who is fed by those": (HERE, [replica("b", "a", "c"), replica("c", "a")], ""),
    "a replica of the zone goes before the leader elsewhere": (
        HERE + THERE,
        [lead("d"), replica("b", "d"), replica("e", "d")],
        "bde",
    ),
    "who has many to feed comes after one of them": ([*HERE, member("r0", "fra")], [lead("b"), *CHILDREN], ["r0", "b"]),
    "a busy leader feeds one that feeds the rest": (
        [member("a"), member("b", load=BUSY), member("c")],
        [lead("b"), replica("c", "b")],
        "cb",
    ),
    "a full one feeds only if nobody else does": (
        [member("a"), member("b", load=FULL), member("c")],
        [lead("b"), replica("c", "x", "y", "z", "b")],
        "cb",
    ),
    "who drains comes last": (
        [member("a"), member("b", status=Status.DRAINING), member("c", load=BUSY)],
        [lead("b"), replica("c", "b")],
        "cb",
    ),
    "who is far comes after who is near": (
        [member("a", links={"b": Link(80, 0), "c": Link(1, 0)}), member("b"), member("c")],
        [lead("b"), replica("c", "b")],
        "cb",
    ),
    "who loses much comes after who does not": (
        [member("a", links={"b": Link(1, 0.2), "c": Link(1, 0)}), member("b"), member("c")],
        [lead("b"), replica("c", "b")],
        "cb",
    ),
    "who feeds it already goes on, if no other is better by a hop": (
        HERE,
        [lead("b"), replica("c", "b"), replica("a", "b", "c")],
        "cb",
    ),
}


@pytest.mark.parametrize(("members", "entries", "order"), CASES.values(), ids=CASES)
def test_suppliers(members, entries, order):
    assert found(members, entries) == tuple(order)


def test_the_one_who_just_failed_is_left_out():
    assert found(HERE, [replica("b", "c"), lead("c")], {"c"}) == ("b",)


@pytest.mark.parametrize("status", Status)
def test_only_a_node_that_is_heard_supplies(status):
    heard = status in (Status.ALIVE, Status.JOINING, Status.DRAINING)
    assert found([member("a"), member("b", status=status)], [lead("b")]) == (("b",) if heard else ())


def test_dear_traffic_comes_after_cheap():
    config = load(None, ['balance.cost={"ams>fra" = 0.1, "nyc>fra" = 2}'], {})[0].balance
    members = [member("a", "fra"), member("b", "nyc"), member("c", "ams")]
    assert found(members, [lead("b"), replica("c", "b")], config=config) == ("c", "b")


def test_of_several_that_fetch_from_beyond_one_goes_on_and_the_others_move_below_it():
    entries = [lead("d"), *(replica(node, "d") for node in "abc")]
    best = {node: found(HERE + THERE, entries, me=node)[0] for node in "abc"}
    entrance = min("abc", key=lambda node: rank("live/x", node))
    assert best == {node: "d" if node == entrance else entrance for node in "abc"}


def test_a_tree_that_grows_one_by_one_stays_shallow_and_loads_nobody_much():
    names = [f"n{number}" for number in range(200)]
    random.Random(1).shuffle(names)
    tables = Tables("n0", [member(name) for name in names], [lead(names[0])])
    for name in names[1:]:
        tables.me = name
        best = suppliers("live/x", tables)[0]
        above = next((it.path for it in tables.replicas("live/x") if it.node == best), ())
        tables.set_entry(replica(name, *above, best))
    replicas = tables.replicas("live/x")
    assert max(len(it.path) for it in replicas) <= 4
    assert max([it.supplier for it in replicas].count(name) for name in names) <= 24
