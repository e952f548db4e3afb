import json
from dataclasses import replace

from mesh.control.quality import quality
from mesh.control.reply import body
from mesh.gossip.member import Link
from tests.control.test_streams import KEY, LEAD, held, replica, tables


def test_each_hop_is_shown_with_what_its_node_says_and_the_way_it_measured():
    table = tables(LEAD, replica("B", "A"), replica("C", "A", "B"), replica("D"))
    table.set_member(replace(table.members["B"], links={"A": Link(12.5, 0.02, 3.5), "C": Link(1, 0)}))
    assert json.loads(body(quality(table, held(B=98), {"C"}))) == {
        "hops": [
            {"stream": KEY, "node": "node-b", "supplier": "node-a", "lag_ms": 7, "skips": 1, "losses": 0,
             "rtt_ms": 12.5, "jitter_ms": 3.5, "loss": 0.02},
            {"stream": KEY, "node": "node-c", "supplier": "node-b", "lag_ms": None, "skips": None, "losses": None,
             "rtt_ms": None, "jitter_ms": None, "loss": None},
        ],
        "partial": ["node-c"],
    }  # fmt: skip


def test_without_replicas_there_are_no_hops():
    assert json.loads(body(quality(tables(LEAD), {}))) == {"hops": []}
