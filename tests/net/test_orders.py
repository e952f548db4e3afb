import json
from pathlib import Path

import pytest

from mesh.control.order import Order, Verb
from mesh.gossip.member import Status
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import Client, get, meshed


async def post(node: Node, target: str, *headers: str) -> tuple[int, dict[str, str]]:
    status, _, body = await get(node, target, *headers, method="POST")
    return status, json.loads(body)


def status(observer: Node, node: Node) -> Status:
    return observer.gossip.tables.members[node.gossip.id].status


@asynctest
async def test_any_node_passes_an_order_on(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        for asked in (a, b):
            assert await post(asked, "/api/v1/nodes/b/drain") == (200, {"node": "b", "order": "drain"})
            await until(lambda: status(c, b) is Status.DRAINING)
            assert (await get(b, "/readyz"))[::2] == (503, b"draining\n")
            assert await post(asked, "/api/v1/nodes/b/undrain") == (200, {"node": "b", "order": "undrain"})
            await until(lambda: status(c, b) is Status.ALIVE)
            assert (await get(b, "/readyz"))[0] == 200


REFUSED = {
    "/api/v1/nodes/x/drain": (404, "no node 'x'"),
    "/api/v1/streams/live/x/switch": (404, "node is missing, expected ?node=NAME"),
    "/api/v1/streams/live/x/switch?node=b": (404, "live/x is not here"),
    "/api/v1/streams/live/x/switch?node=a": (404, "live/x is not here"),
    "/api/v1/streams/x/switch?node=a": (400, None),
    "/api/v1/nodes/b/dance": (404, "POST /api/v1/nodes/b/dance: no such call"),
}


@asynctest
async def test_what_cannot_be_done_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, _):
        for target, (expected, words) in REFUSED.items():
            code, body = await post(a, target)
            assert code == expected and words in (body["error"], None), (target, code, body)


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "Origin: http://evil.example", "Origin: null"]
)
@asynctest
async def test_who_may_be_elsewhere_changes_nothing(tmp_path: Path, header: str) -> None:
    async with meshed(tmp_path, "a") as (a,):
        code, body = await post(a, "/api/v1/nodes/a/drain", header)
        assert code == 403 and "taken from this machine only" in body["error"]
        assert status(a, a) is Status.ALIVE


@asynctest
async def test_a_name_that_leads_to_this_machine_makes_a_page_no_page_of_the_node(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        host = f"evil.example:{a.gossip.card.http}"
        order = "POST /api/v1/nodes/a/drain"
        answer = await Client.ask(a.gossip.card.http, order, f"Origin: http://{host}", host=host)
        assert await answer.status() == 403 and status(a, a) is Status.ALIVE


@asynctest
async def test_this_machine_is_known_by_whichever_protocol_it_comes(tmp_path: Path) -> None:
    """Where a node listens on every address, 127.0.0.1 comes as ::ffff:127.0.0.1."""
    async with meshed(tmp_path, "a", http__listen=":0") as (a,):
        assert (await post(a, "/api/v1/nodes/a/drain"))[0] == 200


@asynctest
async def test_a_page_of_the_node_itself_may_change_something(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        origin = f"Origin: http://127.0.0.1:{a.gossip.card.http}"
        assert (await post(a, "/api/v1/nodes/a/drain", origin))[0] == 200


@asynctest
async def test_a_node_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.net.orders.ANSWER_S", 0.1)
    async with meshed(tmp_path, "a", "b") as (a, b):
        b.gossip.on(Order, lambda sender, order: None)
        assert await post(a, "/api/v1/nodes/b/drain") == (504, {"error": "b does not answer"})


@asynctest
async def test_an_order_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        obeyed = await a._drain._orders.give(b.gossip.id, "explode")  # type: ignore[arg-type]
        assert (obeyed.status, obeyed.problem) == (400, "unknown order 'explode'")
        assert Verb.DRAIN == "drain"
