import pytest

from mesh.balance.deputy import deputy
from mesh.gossip.member import Card, Lead, LeadState, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

IDLE, FULL = Load(), Load(mem=1.0)


def member(name, load=IDLE, status=Status.ALIVE):
    return Member(Card(name, name, "", "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1), status, load)


def replica(node, *path):
    return Replica(node, "live/x", 1, path[-1], path)


# How busy "me" is, what the others are and hold, and who feeds "f".
CASES = {
    "room": (IDLE, [member("b")], [replica("b", "me")], "me"),
    "full, and nobody else has it": (FULL, [member("b")], [], "me"),
    "full, but a replica is fed already": (FULL, [member("b")], [replica("b", "me")], "b"),
    "the nearest replica goes first": (
        FULL, [member("b"), member("c")], [replica("b", "me", "c"), replica("c", "me")], "c",
    ),
    "of two as near, the one that feeds fewer": (
        FULL, [member("b", Load(relays=2)), member("c", Load(relays=1))], [replica("b", "me"), replica("c", "me")], "c",
    ),
    "a replica that is full is passed over": (
        FULL, [member("b", FULL), member("c")], [replica("b", "me"), replica("c", "me", "b")], "c",
    ),
    "full, but can send one stream more": (Load(tx_bps=9000, capacity_bps=10_000), [member("b")], [], "me"),
    "full, and cannot": (Load(tx_bps=9001, capacity_bps=10_000), [member("b")], [], ""),
    "all are full": (FULL, [member("b", FULL)], [replica("b", "me")], ""),
    "a replica that others feed is none of ours": (FULL, [member("b")], [replica("b", "x")], "me"),
    "a replica that drains takes nobody": (FULL, [member("b", status=Status.DRAINING)], [replica("b", "me")], "me"),
    "nobody is sent below itself": (FULL, [member("b")], [replica("b", "me", "f"), replica("f", "me")], "me"),
}  # fmt: skip


@pytest.mark.parametrize(("load", "members", "replicas", "feeder"), CASES.values(), ids=CASES)
def test_deputy(load, members, replicas, feeder):
    lead = Lead("me", "live/x", 1, LeadState.LIVE, kbps=1)
    tables = Tables("me", [member("me"), member("f"), *members], [lead, *replicas])
    assert deputy("live/x", "f", tables, load) == feeder
