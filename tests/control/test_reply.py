import json

from mesh.control.reply import Branch, Candidate, Problem, Replica, Route, Stream, Streams, body


def stream(**fields):
    usual = dict.fromkeys(("leader", "head"), None) | dict.fromkeys(("epoch", "players", "kbps"), 0)
    usual |= {"standby": (), "replicas": (), "video": "", "audio": "", "state": "live"}
    return Stream(stream="live/x", **usual | fields)


def test_a_refusal_is_an_object_with_its_error():
    assert body(Problem("no node has live/ö")) == '{"error":"no node has live/ö"}\n'


CANDIDATE = Candidate("a", "fra", "leader", {"cpu": 0.5}, 0.5, "")


def test_what_is_optional_is_left_out_until_there_is_something_to_say():
    assert json.loads(body(Streams(()))) == {"streams": []}
    assert json.loads(body(Streams((), ("b",)))) == {"streams": [], "partial": ["b"]}
    assert json.loads(body(Route("refuse", ("full",), status=503))) == {
        "action": "refuse",
        "reasons": ["full"],
        "status": 503,
    }
    served = Route("serve", ("leads it",), "a", "rtmp://h/live/x", weights={"cpu": 1.0}, candidates=(CANDIDATE,))
    assert json.loads(body(served)) == {
        "action": "serve",
        "node": "a",
        "url": "rtmp://h/live/x",
        "reasons": ["leads it"],
        "weights": {"cpu": 1.0},
        "candidates": [
            {"node": "a", "zone": "fra", "role": "leader", "terms": {"cpu": 0.5}, "score": 0.5, "lost": ""},
        ],
    }


def test_everything_else_is_there_even_if_it_is_empty():
    assert json.loads(body(stream())) == {
        "stream": "live/x",
        "leader": None,
        "epoch": 0,
        "head": None,
        "standby": [],
        "replicas": [],
        "players": 0,
        "kbps": 0,
        "video": "",
        "audio": "",
        "state": "live",
    }


def test_a_list_of_replicas_is_flat_and_a_tree_of_them_is_not():
    leaf = Branch("c", "b", 2, 7, 1, ())
    flat, tree = stream(replicas=(Replica("b", "a", 1, 8),)), stream(replicas=(Branch("b", "a", 1, 8, 0, (leaf,)),))
    b = {"node": "b", "supplier": "a", "depth": 1, "head": 8}
    c = {"node": "c", "supplier": "b", "depth": 2, "head": 7, "players": 1, "replicas": []}
    assert json.loads(body(flat))["replicas"] == [b]
    assert json.loads(body(tree))["replicas"] == [{**b, "players": 0, "replicas": [c]}]
