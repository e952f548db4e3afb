"""A fleet of any size: nodes whose ids are hashes, as real ones are, in as many zones as one likes."""

import random

from hypothesis import strategies as st

from mesh.balance import policy
from mesh.balance.candidate import Judge
from mesh.balance.policy import Placement, Request
from mesh.balance.ring import rank
from mesh.balance.room import Rooms
from mesh.config import BalanceConfig
from mesh.gossip.member import Card, Lead, LeadState, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

CONFIG = BalanceConfig(ramp_s=0)
LOADS = st.builds(
    Load,
    cpu=st.floats(0, 1),
    mem=st.floats(0, 1),
    tx_bps=st.integers(0, 1000),
    capacity_bps=st.sampled_from([0, 1000]),
    players=st.integers(0, 1000),
    streams=st.integers(0, 1000),
    loop_lag_ms=st.floats(0, 600),
)


def node(number, zone="", status=Status.ALIVE, load=None, links=None, born=0.0):
    id = rank(str(number))
    card = Card(id, f"n{number}", zone, "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
    return Member(card, status, load or Load(), links or {}, born=born)


def lead(member, stream="live/x", state=LeadState.LIVE):
    return Lead(member.id, stream, 1, state)


def replica(member, *path, stream="live/x"):
    ids = tuple(other.id for other in path)
    return Replica(member.id, stream, 1, ids[-1], ids)


def fleet(count, zones=("",), entries=()):
    """So many nodes, their zones in turn; the first one is asked."""
    members = [node(number, zones[number % len(zones)]) for number in range(count)]
    return Tables(members[0].id, members, entries)


def seen_by(tables, member, entries=()):
    """The same tables at another node."""
    return Tables(member.id, tables.members.values(), entries)


def place(request, tables, config=CONFIG, seed=1, now=0.0) -> Placement:
    return policy.place(request, tables, config, Rooms(config.limits), random.Random(seed), now)


def judge(request, tables, config=CONFIG, now=0.0):
    return Judge(request, tables, config, Rooms(config.limits), random.Random(1), now, resort=1)


def taker(placement, tables):
    """Who takes the client; None if it is refused."""
    match placement:
        case policy.Serve():
            return tables.me
        case policy.Redirect(node=id):
            return id
        case _:
            return None


ASK = Request("live/x")
