import json

import pytest

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


def test_another_server_is_no_node_that_obeys(run, monkeypatch):
    monkeypatch.setattr("mesh.cli.client.Client.post", lambda *_, **__: "<html>welcome</html>")
    for command in (["drain", "b"], ["undrain", "b"], ["switch", "live/demo", "b"]):
        result = run(*command)
        assert result.exit_code == 1 and "does not answer like a Mediamesh node" in result.output


class Emptying:
    """The API of a node, which may be the one that it tells of as that loses its clients."""

    def __init__(self, *left: tuple[int, int], url: str = "http://b:8080", status: str = "draining") -> None:
        self.url, self.left, self.status = url, list(left), status

    def get(self, path: str) -> str:
        if not self.left:
            raise ApiError("gone")
        players, leads = self.left[0]
        if path == "nodes":
            row = {"name": "b", "status": self.status, "load": {"players": players}, "urls": {"http": "http://b:8080"}}
            return json.dumps({"nodes": [row]})
        self.left.pop(0)
        return json.dumps({"streams": [{"leader": "b"}] * leads})


EMPTY = [(0, 0)] * drain.SURE


@pytest.fixture
def haste(monkeypatch):
    monkeypatch.setattr(drain, "POLL_S", 0)


def test_what_is_left_is_told_whenever_it_changes(haste):
    asked = Emptying((3, 1), (3, 1), (1, 1), (0, 1), *EMPTY)
    assert list(drain._progress(asked, "b")) == [
        "b: 3 players, 1 streams published",
        "b: 1 players, 1 streams published",
        "b: 0 players, 1 streams published",
        "b has no clients left",
    ]
    assert list(drain._progress(Emptying((3, 1)), "b"))[1:] == ["b is gone"]


def test_a_node_is_empty_when_it_stays_so(haste):
    asked = Emptying((0, 0), (0, 0), (2, 0), *EMPTY)
    assert list(drain._progress(asked, "b")) == ["b: 2 players, 0 streams published", "b has no clients left"]


def test_where_the_node_that_was_asked_does_not_answer_the_other_is_asked_itself(haste, monkeypatch):
    monkeypatch.setattr(drain, "Client", lambda url: Emptying((1, 0), *EMPTY, url=url))
    lines = list(drain._progress(Emptying((2, 0), url="http://a:8080"), "b"))
    assert [line[:12] for line in lines] == ["b: 2 players", "b: 1 players", "b has no cli"]


def test_a_node_that_serves_again_is_not_drained(haste):
    with pytest.raises(ApiError, match="b is alive, and drains no longer"):
        list(drain._progress(Emptying((3, 1), status="alive"), "b"))
