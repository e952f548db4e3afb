"""Replicas: fetched once for any number of players, registered, and dropped when the last has left."""

import asyncio
import re
import time

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.compare import assert_faithful
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

LINGER_S = 1
TICK_S = 0.25
"""How often a node looks whether a replica is needed."""


def holders(node: Node, key: str) -> list[str]:
    row = node.stream(key)
    return [] if row is None else [replica["node"] for replica in row["replicas"]]


def links(node: Node, direction: str) -> int:
    """How many streams it fetches ("in") or feeds ("out")."""
    found = re.search(rf'^mesh_relay_links{{direction="{direction}"}} (\d+)', node.get("/metrics")[1].decode(), re.M)
    return int(found[1]) if found else 0


@asynctest
async def test_many_players_cost_one_fetch_and_the_replica_goes_when_they_have_gone(cluster: Cluster):
    a, b, c = cluster.start("a", "b", "c", stream__linger_s=str(LINGER_S))
    urls = [f"{c.http}/live/x.flv?redirect=0"] * 4 + [f"{c.rtmp}/live/x"] * 4 + [f"{c.ws}/live/x.flv?redirect=0"] * 2
    async with publishing(f"{a.rtmp}/live/x", synthetic.stream(60)) as publisher:
        await asyncio.to_thread(wait_until, lambda: a.stream("live/x"), "a has the stream")
        async with playing(*urls) as players:
            for player in players:
                await player.has(50)
            await assert_faithful(publisher, players)
            for node in (a, b, c):
                await asyncio.to_thread(wait_until, lambda node=node: holders(node, "live/x") == ["c"], "one replica")
                row = node.stream("live/x")
                assert (row["leader"], row["replicas"][0]["supplier"], row["replicas"][0]["depth"]) == ("a", "a", 1)
            await asyncio.to_thread(wait_until, lambda: b.stream("live/x")["players"] == 10, "ten players", 3)
            assert links(a, "out") == links(c, "in") == 1 and links(b, "in") == 0, "one fetch for all"
            left_at = time.perf_counter()
        await asyncio.sleep(LINGER_S / 2)
        assert holders(a, "live/x") == ["c"], "it lingers"
        await asyncio.to_thread(wait_until, lambda: not any(holders(n, "live/x") for n in (a, b, c)), "it is dropped")
        lingered_s = time.perf_counter() - left_at
    assert LINGER_S - TICK_S <= lingered_s < LINGER_S + 1


@asynctest
async def test_a_player_that_comes_back_while_the_replica_lingers_gets_media_from_it(cluster: Cluster):
    a, b = cluster.start("a", "b", stream__linger_s="5")
    url = f"{b.http}/live/x.flv?redirect=0&wait=5"
    async with publishing(f"{a.rtmp}/live/x", synthetic.stream(30)) as publisher:
        for _ in range(3):
            async with playing(url) as (player,):
                await player.has(10)
                await assert_faithful(publisher, [player])
        assert holders(a, "live/x") == ["b"]
        async with playing(f"{b.http}/live/x.flv") as (player,):
            await player.has(10)
            assert len(player.hops) == 1, "who has the stream serves it"


@asynctest
async def test_players_of_a_replica_join_at_a_keyframe_with_the_headers_in_force(shared: Cluster):
    a, b = shared["a"], shared["b"]
    async with publishing(f"{a.rtmp}/live/join", synthetic.stream(12)) as publisher:
        for _ in range(6):
            await asyncio.sleep(0.37)
            async with playing(f"{b.http}/live/join.flv?redirect=0&wait=5", f"{b.rtmp}/live/join?wait=5") as players:
                for player in players:
                    await player.has(30)
                    kinds = [(tag.kind, tag.config) for tag in player.tags[:4]]
                    assert sorted(kinds[:3]) == [(8, True), (9, True), (18, True)], f"{player.url}: {kinds}"
                    assert player.tags[3].keyframe
                await assert_faithful(publisher, players)
