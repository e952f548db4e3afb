import json

from mesh.cli import drain
from mesh.cli.client import ApiError


def test_a_node_that_has_gone_is_drained(run):
    assert run("drain", "c").output == "c is dead\n"


def test_a_node_is_undrained(run):
    assert run("undrain", "b").output == "b takes clients again\n"


def test_a_standby_is_told_to_lead(run):
    assert run("switch", "live/demo", "b").output == "b leads live/demo\n"


def test_a_stream_is_preloaded_at_a_node_or_in_a_zone(run):
    assert run("preload", "live/demo", "--node", "b").output == "live/demo is kept for 60 s\n"
    assert run("preload", "live/demo", "--zone", "fra", "--seconds", "5").output == "live/demo is kept for 5 s\n"
    assert json.loads(run("-o", "json", "preload", "live/demo", "--zone", "fra").output)["node"] == "c"
    assert "expected either --node or --zone" in run("preload", "live/demo").output


def test_json_is_what_the_node_answers_at_once(run):
    assert json.loads(run("-o", "json", "drain", "b").output) == {"node": "b", "order": "drain"}


def test_a_node_that_is_not_known_is_an_error(run):
    result = run("drain", "x")
    assert result.exit_code == 1 and "no node 'x'" in result.output


class Emptying:
    """A node's API, as a node that it names loses its clients."""

    def __init__(self, *left: tuple[int, int]) -> None:
        self.left = list(left)

    def get(self, path: str) -> str:
        if not self.left:
            raise ApiError("gone")
        players, leads = self.left[0]
        if path == "nodes":
            return json.dumps({"nodes": [{"name": "b", "status": "draining", "load": {"players": players}}]})
        self.left.pop(0)
        return json.dumps({"streams": [{"leader": "b"}] * leads})


def test_what_is_left_is_told_whenever_it_changes(monkeypatch):
    monkeypatch.setattr(drain, "POLL_S", 0)
    asked = Emptying((3, 1), (3, 1), (1, 1), (0, 1), (0, 0))
    assert list(drain._progress(asked, "b")) == [
        "b: 3 players, 1 streams published",
        "b: 1 players, 1 streams published",
        "b: 0 players, 1 streams published",
        "b has no clients left",
    ]
    assert list(drain._progress(Emptying((3, 1)), "b"))[1:] == ["b is gone"]
