"""What any node says of the whole mesh."""

import asyncio
import json
import subprocess
import sys
import time
from functools import partial
from typing import Any

import pytest

from tests.e2e import http, synthetic
from tests.e2e.cluster import ROOT, Cluster, Node, quiet, wait_until
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

NODE = {"id", "name", "zone", "status", "incarnation", "urls", "load", "links"}
LOAD = {
    "cpu",
    "mem",
    "rx_bps",
    "tx_bps",
    "capacity_bps",
    "players",
    "streams",
    "loop_lag_ms",
    "ill",
    "relays",
    "usable",
}
STREAM = {"stream", "leader", "epoch", "head", "standby", "replicas", "players", "kbps", "video", "audio", "state"}


def meshctl(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "meshctl"), "-u", url, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_every_node_is_live_and_ready(shared: Cluster):
    for node in shared.nodes.values():
        assert node.get("/livez")[0] == node.get("/readyz")[0] == 200


def test_a_node_that_meets_nobody_is_ready_soon(cluster: Cluster):
    a = cluster.create("a")
    a.start()
    wait_until(lambda: a.get("/livez")[0] == 200, "a is live")
    began = time.monotonic()
    wait_until(a.ready, "a is ready")
    assert time.monotonic() - began < (2 if quiet() else 5)


def test_every_node_tells_the_same_of_all_nodes(shared: Cluster):
    for node in shared.nodes.values():
        # The first heartbeats come before anything was measured.
        wait_until(lambda node=node: all(row["load"]["mem"] for row in node.json("/api/v1/nodes")["nodes"]), "loads")
        nodes = node.json("/api/v1/nodes")["nodes"]
        assert {row["name"]: row["status"] for row in nodes} == dict.fromkeys("abc", "alive")
        for row in nodes:
            told = shared[row["name"]]
            assert set(row) == NODE and set(row["load"]) == LOAD and set(row["urls"]) == {"rtmp", "http"}
            assert row["urls"]["http"].rstrip("/") == told.http and row["urls"]["rtmp"].rstrip("/") == told.rtmp
            assert len(row["id"]) == 32 and 0 <= row["load"]["cpu"] <= 1 and 0 < row["load"]["mem"] <= 1


def test_round_trips_to_all_neighbours_are_measured(shared: Cluster):
    def measured() -> bool:
        nodes = shared["b"].json("/api/v1/nodes")["nodes"]
        return all({"a", "b", "c"} - {row["name"]} == set(row["links"]) for row in nodes)

    wait_until(measured, "all links are measured")
    for row in shared["b"].json("/api/v1/nodes")["nodes"]:
        assert all(0 < link["rtt_ms"] < 1000 and 0 <= link["loss"] <= 1 for link in row["links"].values())


def with_players(node: Node, key: str, count: int) -> dict[str, Any] | None:
    row = node.stream(key)
    return row if row and row["players"] == count and row["kbps"] else None


@asynctest
async def test_every_node_tells_the_same_of_a_stream(shared: Cluster):
    a, b = shared["a"], shared["b"]
    urls = f"{b.http}/live/told.flv?wait=5&redirect=0", f"{a.rtmp}/live/told?wait=5"
    async with publishing(f"{a.rtmp}/live/told", synthetic.stream(15)), playing(*urls) as players:
        for player in players:
            await player.has(10)
        for node in shared.nodes.values():
            row = await asyncio.to_thread(
                wait_until, partial(with_players, node, "live/told", 2), "two players, a bit rate"
            )
            assert set(row) == STREAM
            assert (row["leader"], row["state"]) == ("a", "live")
            assert (row["video"], row["audio"]) == ("h264 320x240", "aac 48000x2")
            assert [(r["node"], r["supplier"], r["depth"]) for r in row["replicas"]] == [("b", "a", 1)]
            assert 0 <= row["head"] - row["replicas"][0]["head"] < 100
            assert 200 < row["kbps"] < 500
            one = await http.get_json(f"{node.http}/api/v1/streams/live/told")
            assert one["epoch"] == row["epoch"]


@pytest.mark.parametrize("name, action, node", [("a", "serve", "a"), ("b", "redirect", "a")])
@asynctest
async def test_the_route_of_a_player_is_the_one_it_would_take(shared: Cluster, name, action, node):
    key = f"live/route-{name}"
    async with publishing(f"{shared['a'].rtmp}/{key}", synthetic.stream(10)):
        await asyncio.to_thread(wait_until, lambda: shared[name].stream(key), "the stream is known")
        query = f"stream={key}&action=play&proto=flv&explain=1"
        route = await http.get_json(f"{shared[name].http}/api/v1/route?{query}")
        assert (route["action"], route["node"]) == (action, node) and route["reasons"]
        async with playing(f"{shared[name].http}/{key}.flv") as (player,):
            await player.has(10)
            assert player.hops[-1].partition("?")[0] == route["url"].partition("?")[0]


def test_a_route_to_a_stream_that_is_not_there_is_refused_with_reasons(shared: Cluster):
    route = shared["b"].json("/api/v1/route?stream=live/nothing&action=play&proto=flv")
    assert route["action"] == "refuse" and route["reasons"] and not {"node", "url"} & set(route)


@asynctest
async def test_meshctl_prints_what_the_api_says(shared: Cluster):
    a, b = shared["a"], shared["b"]
    url = f"{b.http}/live/ctl.flv?wait=5&redirect=0"
    async with publishing(f"{a.rtmp}/live/ctl", synthetic.stream(20)), playing(url) as (player,):
        await player.has(30)
        for command in (["nodes"], ["streams"], ["tree", "live/ctl"], ["route", "live/ctl", "--explain"]):
            table = await asyncio.to_thread(meshctl, b.http, *command)
            assert table.returncode == 0 and table.stdout.strip(), table
            for place in (["-o", "json", *command], [*command, "-o", "json"]):
                told = await asyncio.to_thread(meshctl, b.http, *place)
                assert told.returncode == 0 and json.loads(told.stdout), told
        names = json.loads((await asyncio.to_thread(meshctl, b.http, "nodes", "-o", "json")).stdout)["nodes"]
        assert sorted(row["name"] for row in names) == ["a", "b", "c"]


def test_meshctl_says_which_node_does_not_answer():
    ended = meshctl("http://127.0.0.1:9", "nodes")
    assert ended.returncode != 0 and "127.0.0.1:9" in ended.stderr and "Traceback" not in ended.stderr
