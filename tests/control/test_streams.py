import json

from mesh.control.message import Held
from mesh.control.reply import body
from mesh.control.streams import stream, streams
from mesh.gossip.member import Card, Lead, LeadState, Member, Replica, Status
from mesh.gossip.tables import Tables

KEY = "live/x"
LEAD = Lead("A", KEY, 3, LeadState.LIVE, "h264 1280x720", "aac 48000x2", 2100)


def tables(*entries, dead=""):
    def member(id):
        card = Card(id, f"node-{id.lower()}", "", "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
        return Member(card, Status.DEAD if id == dead else Status.ALIVE)

    return Tables("A", [member(id) for id in "ABCDE"], entries)


def replica(node, *path):
    return Replica(node, KEY, 3, path[-1] if path else "", path)


def held(**heads):
    return {node: {KEY: Held(KEY, head, 2, 7, 1, 0)} for node, head in heads.items()}


def shape(branches):
    """Only who feeds whom."""
    return {branch.node.removeprefix("node-"): shape(branch.replicas) for branch in branches}


def tree(*entries, dead=""):
    return shape(stream(KEY, tables(*entries, dead=dead), {}).replicas)


def test_a_stream_is_shown_as_in_the_contract():
    table = tables(LEAD, Lead("C", KEY, 0, LeadState.STANDBY), replica("B", "A"), replica("C", "A", "B"))
    assert json.loads(body(streams(table, held(A=99, B=98))))["streams"] == [
        {
            "stream": KEY,
            "leader": "node-a",
            "epoch": 3,
            "head": 99,
            "standby": ["node-c"],
            "replicas": [
                {"node": "node-b", "supplier": "node-a", "depth": 1, "head": 98},
                {"node": "node-c", "supplier": "node-b", "depth": 2, "head": None},
            ],
            "players": 4,
            "kbps": 2100,
            "video": "h264 1280x720",
            "audio": "aac 48000x2",
            "state": "live",
        }
    ]


def test_one_stream_shows_its_replicas_as_a_tree_with_their_players():
    table = tables(LEAD, replica("B", "A"), replica("C", "A", "B"))
    shown = json.loads(body(stream(KEY, table, held(A=99, B=98))))
    assert shown["players"] == 4
    assert shown["replicas"] == [
        {
            "node": "node-b",
            "supplier": "node-a",
            "depth": 1,
            "head": 98,
            "players": 2,
            "replicas": [
                {"node": "node-c", "supplier": "node-b", "depth": 2, "head": None, "players": None, "replicas": []}
            ],
            "lag_ms": 7,
            "skips": 1,
            "losses": 0,
        }
    ]


def test_every_replica_has_its_place_in_the_tree():
    b, c, d = replica("B", "A"), replica("C", "A", "B"), replica("D", "A")
    assert tree(LEAD, b, c, d) == {"b": {"c": {}}, "d": {}}
    assert tree(LEAD, b, c, d, dead="B") == {"c": {}, "d": {}}
    assert tree(b, c) == {"b": {"c": {}}}
    assert tree(LEAD, replica("B", "C"), replica("C", "D"), replica("D", "B")) == {"b": {"d": {"c": {}}}}
    assert tree(LEAD, replica("B", "B"), d) == {"d": {}, "b": {}}
    assert tree(LEAD, replica("A", "B"), replica("B", "A")) == {"b": {}}


def test_a_stream_without_its_leader_is_stalled():
    table = tables(LEAD, replica("B"), replica("C", "A", "B"), dead="A")
    (shown,) = streams(table, held(B=98, C=97)).streams
    assert (shown.leader, shown.state, shown.epoch, shown.head) == (None, "stalled", 3, None)
    assert [(found.supplier, found.depth) for found in shown.replicas] == [(None, 0), ("node-b", 2)]


def test_a_claim_is_no_stream():
    table = tables(Lead("A", KEY, 3, LeadState.CLAIM))
    assert streams(table, {}).streams == ()
    assert stream(KEY, table, {}) is None
    assert stream("live/other", tables(LEAD), {}) is None


def test_whoever_did_not_answer_is_named():
    assert streams(tables(LEAD), {}, {"C", "B"}).partial == ("node-b", "node-c")
    assert stream(KEY, tables(LEAD), {}, ["D"]).partial == ("node-d",)
    assert "partial" not in json.loads(body(streams(tables(LEAD), {})))
