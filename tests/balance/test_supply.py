import pytest

from mesh.balance.supply import suppliers
from mesh.gossip.member import Card, Lead, LeadState, Member, Replica, Status
from mesh.gossip.tables import Tables


def member(name, status=Status.ALIVE):
    return Member(Card(name, name, "", "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1), status)


def lead(node, state=LeadState.LIVE):
    return Lead(node, "live/x", 1, state)


def replica(node, *path):
    return Replica(node, "live/x", 1, path[-1], path)


# What the tables hold, who is not wanted, and whom "a" may fetch from, best first.
CASES = {
    "nobody has it": ([], (), ()),
    "the leader goes before its replicas": ([replica("b", "c"), lead("c")], (), ("c", "b")),
    "a replica goes on without a leader": ([replica("b", "x")], (), ("b",)),
    "a claim is no stream yet": ([lead("b", LeadState.CLAIM)], (), ()),
    "a node does not feed itself": ([lead("a"), replica("a", "b")], (), ()),
    "whom this node feeds does not feed it": ([replica("b", "c", "a"), lead("c")], (), ("c",)),
    "the one who just failed is left out": ([replica("b", "c"), lead("c")], {"c"}, ("b",)),
}


@pytest.mark.parametrize(("entries", "besides", "order"), CASES.values(), ids=CASES)
def test_suppliers(entries, besides, order):
    assert suppliers("live/x", Tables("a", map(member, "abc"), entries), besides) == order


@pytest.mark.parametrize("status", Status)
def test_only_a_node_that_is_heard_supplies(status):
    table = Tables("a", [member("a"), member("b", status)], [lead("b")])
    heard = status in (Status.ALIVE, Status.JOINING, Status.DRAINING)
    assert suppliers("live/x", table) == (("b",) if heard else ())
