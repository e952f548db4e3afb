import pytest

from mesh.balance.idle import linger_s, shortcut
from mesh.config import load
from mesh.gossip.member import Card, Lead, LeadState, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

CONFIG = load(None, ['balance.cost={"fra>ams" = 0.4, "ams>nyc" = 0.7, "fra>nyc" = 1, "fra>lon" = 2}'], {})[0].balance
FULL = Load(tx_bps=990, capacity_bps=1000)


def member(name, zone="", **more):
    return Member(Card(name, name, zone, "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1), **more)


def replica(node, *path):
    return Replica(node, "live/x", 1, path[-1], path)


def tables(members, replicas):
    return Tables("me", members, [Lead("lead", "live/x", 1, LeadState.LIVE, kbps=1), *replicas])


AMS = [member("me", "ams"), member("lead", "fra")]
FED = replica("me", "lead")

# The members, who holds the stream, and whether those whom "me" feeds go on from "lead".
CASES = {
    "nobody is fed": (AMS, [FED], False),
    "one of the zone": ([*AMS, member("b", "ams")], [FED, replica("b", "lead", "me")], True),
    "two of the zone, for whom it enters once": (
        [*AMS, member("b", "ams"), member("c", "ams")],
        [FED, replica("b", "lead", "me"), replica("c", "lead", "me")],
        False,
    ),
    "one beyond, to whom the way past is shorter": (
        [*AMS, member("b", "nyc")],
        [FED, replica("b", "lead", "me")],
        True,
    ),
    "two beyond, to whom the way through is": (
        [*AMS, member("b", "nyc"), member("c", "nyc")],
        [FED, replica("b", "lead", "me"), replica("c", "lead", "me")],
        False,
    ),
    "one whom the supplier's supplier feeds": ([*AMS, member("b", "ams")], [FED, replica("b", "lead")], False),
    "a supplier without room": (
        [AMS[0], member("lead", "fra", load=FULL), member("b", "ams")],
        [FED, replica("b", "lead", "me")],
        False,
    ),
    "a supplier that drains": (
        [AMS[0], member("lead", "fra", status=Status.DRAINING), member("b", "ams")],
        [FED, replica("b", "lead", "me")],
        False,
    ),
    "a leader": ([member("me", "ams"), member("b", "ams")], [replica("b", "me")], False),
    "traffic costs nothing, and there is one": (
        [member("me"), member("lead"), member("b")],
        [FED, replica("b", "lead", "me")],
        True,
    ),
    "traffic costs nothing, and the supplier would have more to feed": (
        [member("me"), member("lead"), member("b"), member("c")],
        [FED, replica("b", "lead", "me"), replica("c", "lead", "me")],
        False,
    ),
    "a follower that is dead": (
        [*AMS, member("b", "ams", status=Status.DEAD)],
        [FED, replica("b", "lead", "me")],
        False,
    ),
}


@pytest.mark.parametrize(("members", "replicas", "past"), CASES.values(), ids=CASES)
def test_shortcut(members, replicas, past):
    assert shortcut("live/x", tables(members, replicas), CONFIG) == ("lead" if past else "")


@pytest.mark.parametrize(
    ("zone", "most", "seconds"),
    [("fra", 10, 10), ("ams", 10, 8), ("nyc", 10, 5), ("lon", 10, 2), ("lon", 1, 1), ("fra", 0, 0)],
)
def test_a_copy_lingers_less_the_more_its_traffic_costs(zone, most, seconds):
    seen = tables([member("me", zone), member("lead", "fra")], [FED])
    assert linger_s("live/x", seen, most, CONFIG) == pytest.approx(seconds)


def test_a_copy_that_nobody_supplies_costs_nothing():
    assert linger_s("live/x", tables(AMS, []), 10, CONFIG) == 10
