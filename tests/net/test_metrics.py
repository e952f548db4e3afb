from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, HOST, Player, Poster, gop, http, meshed


async def metrics(node: Node) -> dict[tuple[str, ...], float]:
    """What a node's /metrics says: the sample's name and its labels' values, and the value."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{http(node)}/metrics") as reply:
        assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        families = text_string_to_metric_families(await reply.text())
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


@asynctest
async def test_prometheus_reads_what_a_node_does(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__zone="fra") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        player = await Player.begin(b, "/live/x.flv?redirect=0")
        assert await player.tags(8)
        await until(lambda: len(b.relay.links) == 1)
        ours, theirs = await metrics(a), await metrics(b)
    assert ours["mesh_node_info", a.gossip.id, "a", "fra"] == 1
    assert (ours["mesh_streams",], ours["mesh_players",], theirs["mesh_players",]) == (1, 0, 1)
    assert ours["mesh_members", "alive"] == 2
    assert (ours["mesh_relay_links", "out"], theirs["mesh_relay_links", "in"]) == (1, 1)
    assert theirs["mesh_sent_bytes_total",] > 100
    assert ours["mesh_cache_bytes",] == theirs["mesh_cache_bytes",] > 0
    assert theirs["mesh_player_skips_total",] == 0
    assert ours["mesh_loop_lag_seconds",] >= 0
