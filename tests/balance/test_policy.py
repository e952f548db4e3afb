import random
from dataclasses import replace

import pytest

from mesh.balance import policy
from mesh.balance.policy import Action, Redirect, Refuse, Request, Serve
from mesh.balance.room import Rooms
from mesh.config import BalanceConfig
from mesh.gossip.member import Card, Lead, LeadState, Link, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

FULL = Load(mem=0.99)
BUSY = Load(cpu=0.7)
ILL, USELESS = Load(ill="disk is full"), Load(ill="out of file descriptors", usable=False)
WS, RTMP = {"proto": "ws"}, {"proto": "rtmp"}


def member(name, zone="", status=Status.ALIVE, load=None, links=None):
    card = Card(name, name, zone, "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
    return Member(card, status, load or Load(), links or {})


def lead(node, state=LeadState.LIVE, epoch=1):
    return Lead(node, "live/x", epoch, state)


def replica(node):
    return Replica(node, "live/x", 1, "a", ("a",))


def tables(*members, entries=(), me="a"):
    return Tables(me, members, entries)


CONFIG = BalanceConfig(ramp_s=0)


def place(request, tables, config=CONFIG):
    return policy.place(request, tables, config, Rooms(), random.Random(1), 0.0)


def ask(tables, **request):
    return place(Request("live/x", **request), tables)


A, B, C = member("a"), member("b"), member("c")

# What the tables hold, what is asked of "a", who takes it (or with which status nobody does), and why each other lost.
PLAY = {
    "the leader serves its own players": ([A, B], [lead("a")], {}, "a", {"b": "does not have the stream"}),
    "a replica serves its own players": (
        [A, B],
        [lead("b"), replica("a")],
        {},
        "a",
        {"b": "is not the node that was asked"},
    ),
    "who has the stream wins over who was asked": ([A, B, C], [lead("b")], {}, "b", {"a": "does not have the stream"}),
    "a replica is as good as the leader": (
        [A, member("b", load=BUSY), C],
        [lead("b"), replica("c")],
        {},
        "c",
        {"b": "has a busier CPU"},
    ),
    "a zone with room keeps its players": (
        [member("a", "fra"), member("b", "ams")],
        [lead("b")],
        {},
        "a",
        {"b": "is in another zone"},
    ),
    "a zone's replica wins over the leader elsewhere": (
        [member("a", "fra"), member("b", "ams"), member("c", "fra")],
        [lead("b"), replica("c")],
        {},
        "c",
        {"a": "does not have the stream", "b": "is in another zone"},
    ),
    "a known zone goes before the zone of the node asked": (
        [member("a", "fra"), member("b", "ams"), member("c", "ams")],
        [lead("a"), replica("c")],
        {"zone": "ams"},
        "c",
        {"a": "is in another zone", "b": "does not have the stream"},
    ),
    "a zone without any node counts for nothing": (
        [member("a", "fra", links={"b": Link(35, 0)}), member("b", "ams")],
        [lead("b")],
        {"zone": "mars"},
        "b",
        {"a": "does not have the stream"},
    ),
    "only if no holder of the zone has room does one more fetch": (
        [A, member("b", load=FULL), C],
        [lead("b")],
        {},
        "a",
        {"b": "is full: memory at 99%", "c": "is not the node that was asked"},
    ),
    "a full zone sends its players to the next": (
        [member("a", "fra", load=FULL, links={"c": Link(35, 0)}), member("b", "ams"), member("c", "lon")],
        [lead("a")],
        {},
        "c",
        {"a": "is full: memory at 99%", "b": "is farther away"},
    ),
    "a draining node sends its players on": (
        [member("a", status=Status.DRAINING), B],
        [lead("a")],
        {},
        "b",
        {"a": "is draining"},
    ),
    "a draining leader still feeds others": ([A, member("b", status=Status.DRAINING)], [lead("b")], {}, "a", {}),
    "without a leader a replica goes on": ([A, B], [replica("b")], {}, "b", {"a": "does not have the stream"}),
    "a stalled stream is still there": ([A], [lead("a", LeadState.STALLED)], {}, "a", {}),
    "a stream of nobody is not found": ([A, B], [], {}, 404, {}),
    "a claim is no stream yet": ([A, B], [lead("b", LeadState.CLAIM)], {}, 404, {}),
    "a dead node's stream is not found": ([A, member("b", status=Status.DEAD)], [lead("b")], {}, 404, {}),
    "a stream that cannot be fetched is refused": (
        [A, member("b", status=Status.UNREACHABLE)],
        [lead("b")],
        {},
        503,
        {"a": "cannot get the stream", "b": "is unreachable"},
    ),
    "a suspect leader neither serves nor feeds": (
        [A, member("b", status=Status.SUSPECT)],
        [lead("b")],
        {},
        503,
        {"a": "cannot get the stream", "b": "is suspect"},
    ),
    "a replica feeds in place of a suspect leader": (
        [A, member("b", status=Status.SUSPECT), C],
        [lead("b"), replica("c")],
        RTMP,
        "a",
        {"b": "is not the node that was asked: rtmp clients follow no redirect"},
    ),
    "no room anywhere is refused": (
        [member("a", load=FULL), member("b", load=FULL)],
        [lead("b")],
        {},
        503,
        {"a": "is full: memory at 99%", "b": "is full: memory at 99%"},
    ),
    "rtmp players stay": (
        [A, B],
        [lead("b")],
        RTMP,
        "a",
        {"b": "is not the node that was asked: rtmp clients follow no redirect"},
    ),
    "WebSocket players stay": (
        [A, B],
        [lead("b")],
        WS,
        "a",
        {"b": "is not the node that was asked: ws clients follow no redirect"},
    ),
    "nobody is sent on twice": (
        [A, B],
        [lead("b")],
        {"via": "c"},
        "a",
        {"b": "is not the node that was asked: it was redirected here"},
    ),
    "who asks for no redirect gets none": (
        [A, B],
        [lead("b")],
        {"redirect": False},
        "a",
        {"b": "is not the node that was asked: it asked for no redirect"},
    ),
    "who cannot be sent on is refused by a full node": ([member("a", load=FULL), B], [lead("b")], RTMP, 503, {}),
    "who was sent here is refused by a draining node": (
        [member("a", status=Status.DRAINING), B],
        [lead("b")],
        {"via": "b"},
        503,
        {},
    ),
}

PUBLISH = {
    "a publisher is taken where it comes": ([A, B], [], {}, "a", {"b": "is not the node that was asked"}),
    "a publisher is sent to its own zone": (
        [member("a", "fra"), member("b", "ams")],
        [],
        {"zone": "ams"},
        "b",
        {"a": "is in another zone"},
    ),
    "an rtmp publisher is taken where it comes, wherever its zone": (
        [member("a", "fra"), member("b", "ams", load=BUSY)],
        [],
        {"zone": "ams", **RTMP},
        "a",
        {"b": "is not the node that was asked: rtmp clients follow no redirect"},
    ),
    "a full node sends an HTTP publisher on": (
        [member("a", load=FULL), member("b", load=BUSY), C],
        [],
        {},
        "c",
        {"a": "is full: memory at 99%", "b": "has a busier CPU"},
    ),
    "a full node keeps its HTTP publishers in the zone": (
        [member("a", "fra", load=FULL), member("b", "ams"), member("c", "fra", load=BUSY)],
        [],
        {},
        "c",
        {"b": "is in another zone"},
    ),
    "a draining node sends an HTTP publisher on": ([member("a", status=Status.DRAINING), B], [], {}, "b", {}),
    "a full node refuses an rtmp publisher": ([member("a", load=FULL), B], [], RTMP, 503, {}),
    "a draining node refuses an rtmp publisher": ([member("a", status=Status.DRAINING), B], [], RTMP, 503, {}),
    "a live stream is taken": ([A, B], [lead("b")], {}, 409, {}),
    "a live stream of this node is taken": ([A, B], [lead("a")], RTMP, 409, {}),
    "a live stream of a draining node is taken": ([A, member("b", status=Status.DRAINING)], [lead("b")], {}, 409, {}),
    "a claim is settled elsewhere": ([A, B], [lead("b", LeadState.CLAIM)], {}, "a", {}),
    "a stalled publisher yields": ([A, B], [lead("b", LeadState.STALLED)], {}, "a", {}),
    "replicas alone do not take a stream": ([A, B], [replica("b")], {}, "a", {}),
    **{
        f"the stream of a node that is {status} is free again": (
            [A, member("b", status=status)],
            [lead("b")],
            {},
            "a",
            {},
        )
        for status in (Status.SUSPECT, Status.UNREACHABLE, Status.DEAD, Status.LEFT)
    },
}
CASES = [(name, Action.PLAY, *case) for name, case in PLAY.items()]
CASES += [(name, Action.PUBLISH, *case) for name, case in PUBLISH.items()]


@pytest.mark.parametrize(
    ("action", "members", "entries", "request_", "taken", "lost"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_rules(action, members, entries, request_, taken, lost):
    table = tables(*members, entries=entries)
    placement = ask(table, action=action, explain=True, **request_)
    assert placement.reasons == ask(table, action=action, **request_).reasons
    match placement:
        case Serve():
            assert taken == "a"
        case Redirect(node=node):
            assert taken == node != "a"
        case Refuse(status=status):
            assert taken == status
    assert placement.reasons
    assert all(placement.reasons)
    whys = {candidate.node: candidate.lost for candidate in placement.candidates}
    assert {node: whys[node] for node in lost} == lost
    assert [node for node, why in whys.items() if not why] == ([taken] if isinstance(taken, str) else [])


@pytest.mark.parametrize("status", [status for status in Status if status != Status.ALIVE])
def test_only_a_living_node_is_sent_clients(status):
    placement = ask(tables(A, member("b", status=status), C, entries=[lead("b"), replica("c")]))
    assert isinstance(placement, Redirect)
    assert placement.node == "c"


def test_reasons_say_who_takes_it_and_why_not_the_node_that_was_asked():
    table = tables(A, B, entries=[lead("b")])
    assert ask(table).reasons == ("b leads the stream", "a does not have the stream")
    assert ask(table, proto="rtmp").reasons == ("a can fetch the stream", "rtmp clients follow no redirect")
    assert ask(tables(A, B)).reasons == ("no node has live/x",)
    assert ask(table, action=Action.PUBLISH).reasons == ("live/x is live on b",)
    assert ask(tables(member("a", load=FULL)), action=Action.PUBLISH).reasons == (
        "no node can take it: a is full: memory at 99%",
    )


@pytest.mark.parametrize("tied", [{"proto": "rtmp"}, {"redirect": False}, {"via": "c"}])
def test_who_cannot_be_sent_on_and_is_refused_hears_who_would_take_him(tied):
    placement = ask(tables(member("a", load=FULL), B), action=Action.PUBLISH, **tied)
    assert placement.reasons == ("a is full: memory at 99%", "b can take it")


def test_where_nobody_is_ever_sent_on_whoever_is_refused_still_hears_who_would_take_him():
    placement = place(
        Request("live/x", Action.PUBLISH), tables(member("a", load=FULL), B), replace(CONFIG, redirect=False)
    )
    assert placement.reasons == ("a is full: memory at 99%", "b can take it")


# What differs by little between "a", which is asked, and "b", which is better.
NEAR = {
    "cpuload": (Load(cpu=0.13), Load(cpu=0.1)),
    "bandwidth": (Load(tx_bps=13, capacity_bps=100), Load(tx_bps=10, capacity_bps=100)),
    "players": (Load(players=3), Load()),
    "streams": (Load(streams=3), Load()),
}


@pytest.mark.parametrize("name", NEAR)
def test_a_policy_tells_nodes_apart_that_differ_by_little(name):
    worse, better = NEAR[name]
    table = tables(member("a", load=worse), member("b", load=better), entries=[replica("a"), lead("b")])
    assert getattr(place(Request("live/x"), table, replace(CONFIG, policy=name)), "node", "a") == "b"


def test_the_policy_rtt_tells_nodes_apart_that_are_ten_milliseconds_apart():
    links = {name: Link(rtt_ms, 0) for name, rtt_ms in (("b", 25), ("c", 12), ("d", 31))}
    members = [member("a", load=FULL, links=links), B, C, member("d")]
    placement = place(Request("live/x"), tables(*members, entries=[lead("b")]), replace(CONFIG, policy="rtt"))
    assert getattr(placement, "node", "") == "c"


def test_the_policy_random_is_fair_to_all():
    config, chance = replace(CONFIG, policy="random"), random.Random(1)
    table = tables(*map(member, "abcd"), entries=[lead("b")])
    placed = [policy.place(Request("live/x"), table, config, Rooms(), chance, 0.0) for _ in range(800)]
    nodes = [getattr(placement, "node", "a") for placement in placed]
    assert all(150 < nodes.count(node) < 250 for node in "abcd")


# How "a" is, how "b" is, what is asked of "a", and who takes it.
ILLS = {
    "who is well goes before who is ill": (ILL, Load(), {}, "b"),
    "who is ill takes those who ask it if nobody is well": (ILL, ILL, {}, "a"),
    "and those whom others send": (FULL, ILL, {}, "b"),
    "and those who cannot be sent on": (ILL, FULL, RTMP, "a"),
    "but not while another is well": (ILL, Load(), RTMP, 503),
    "nor if it lacks what clients take": (USELESS, USELESS, {}, 503),
    "nor if it is full": (replace(FULL, ill="disk is full"), FULL, {}, 503),
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize(("a", "b", "request_", "taken"), ILLS.values(), ids=ILLS)
def test_an_ill_node_is_the_last_resort_and_says_so(a, b, request_, taken, action):
    entries = [replica("a"), replica("b")]
    placement = ask(tables(member("a", load=a), member("b", load=b), entries=entries), action=action, **request_)
    assert (placement.status if isinstance(placement, Refuse) else getattr(placement, "node", "a")) == taken
    resort = f"nobody else can take it, though {taken} is ill: disk is full"
    assert (resort in placement.reasons) == ({"a": a, "b": b}.get(taken) == ILL)


HOLDERS = [Replica(name, "live/x", 1, "x", ("x",)) for name in "bcdefghij"]
MESH = tables(*map(member, "abcdefghij"), entries=HOLDERS)


def test_equals_draw_so_that_all_of_them_get_their_share():
    chance = random.Random(1)
    nodes = [policy.place(Request("live/x"), MESH, CONFIG, Rooms(), chance, 0.0).node for _ in range(900)]
    assert all(60 < nodes.count(holder.node) < 140 for holder in HOLDERS)


def test_two_balancers_do_not_draw_alike():
    drawn = [
        [policy.place(Request("live/x"), MESH, CONFIG, Rooms(), chance, 0.0).node for _ in range(50)]
        for chance in (random.Random(1), random.Random(2))
    ]
    assert sum(one == other for one, other in zip(*drawn, strict=True)) < 20
