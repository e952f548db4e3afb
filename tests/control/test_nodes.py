import json

from mesh.control.nodes import nodes
from mesh.control.reply import body
from mesh.gossip.member import Card, Link, Load, Member, Status
from mesh.gossip.tables import Tables


def member(id, name, status=Status.ALIVE, **rest):
    return Member(Card(id, name, "fra", "boot", 3, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1), status, **rest)


def test_every_node_is_shown_as_in_the_contract():
    load = Load(0.25, 0.5, 1000, 2000, 10**9, 3, 2, 1.5)
    tables = Tables(
        "1" * 32,
        [
            member("2" * 32, "b", Status.DRAINING, load=load, address="10.0.0.2", links={"1" * 32: Link(0.4, 0.01)}),
            member("1" * 32, "a"),
        ],
    )
    a, b = json.loads(body(nodes(tables, "media.example")))["nodes"]
    assert a["urls"] == {"rtmp": "rtmp://media.example:1935", "http": "http://media.example:8080"}
    assert b == {
        "id": "2" * 32,
        "name": "b",
        "zone": "fra",
        "status": "draining",
        "incarnation": 3,
        "urls": {"rtmp": "rtmp://10.0.0.2:1935", "http": "http://10.0.0.2:8080"},
        "load": {
            "cpu": 0.25,
            "mem": 0.5,
            "rx_bps": 1000,
            "tx_bps": 2000,
            "capacity_bps": 10**9,
            "players": 3,
            "streams": 2,
            "loop_lag_ms": 1.5,
            "ill": "",
            "relays": 0,
            "usable": True,
        },
        "links": {"a": {"rtt_ms": 0.4, "loss": 0.01, "jitter_ms": 0.0, "bps": 0, "offset_ms": 0.0}},
    }


def test_how_far_clocks_are_apart_is_told_from_what_the_node_that_answers_measured():
    a, b, c = (letter * 32 for letter in "123")
    tables = Tables(
        a,
        [
            member(a, "a", links={b: Link(1, 0, offset_ms=100.0), c: Link(1, 0, offset_ms=-20.5)}),
            member(b, "b", links={a: Link(1, 0), c: Link(1, 0)}),
            member(c, "c"),
        ],
    )
    shown = {node.name: {peer: link.offset_ms for peer, link in node.links.items()} for node in nodes(tables, "").nodes}
    assert shown == {"a": {"b": 100.0, "c": -20.5}, "b": {"a": -100.0, "c": -120.5}, "c": {}}


def test_names_are_unique_and_a_living_node_hides_the_dead_one_before_it():
    tables = Tables(
        "1" * 32,
        [
            member("1" * 32, "a", born=1.0, links={"4" * 32: Link(1, 0), "9" * 32: Link(1, 0), "2" * 32: Link(1, 0)}),
            member("2" * 32, "a", born=2.0),
            member("3" * 32, "b", Status.DEAD),
            member("4" * 32, "b"),
            member("5" * 32, "c", Status.LEFT),
        ],
    )
    shown = nodes(tables, "").nodes
    assert [(node.name, node.status) for node in shown] == [
        ("a", "alive"),
        ("a-222222", "alive"),
        ("b", "alive"),
        ("c", "left"),
    ]
    assert list(shown[0].links) == ["a-222222", "b"]
