from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Player, Poster, get, gop, meshed


async def scraped(node: Node) -> dict[str, float]:
    """Every sample, as Prometheus would write it."""
    status, headers, body = await get(node, "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(body.decode()))
    assert all(family.name.startswith("mesh_") and family.documentation.endswith(".") for family in families)
    return {
        sample.name + "".join(f" {label}={value}" for label, value in sample.labels.items() if label in LABELS):
        sample.value
        for family in families
        for sample in family.samples
    }  # fmt: skip


LABELS = ("status", "direction", "proto", "reason", "peer")


@asynctest
async def test_an_idle_node_has_metrics_too(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        samples = await scraped(a)
        assert samples["mesh_node_info"] == samples["mesh_members status=alive"] == 1
        assert samples["mesh_streams"] == samples["mesh_players"] == samples["mesh_cache_bytes"] == 0
        assert samples["mesh_sent_bytes_total"] == samples["mesh_player_skips_total"] == 0
        assert samples["mesh_loop_lag_seconds"] >= 0 and samples["mesh_tasks"] >= 1


@asynctest
async def test_what_is_served_is_counted(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        players = [await Player.begin(a, "/live/x.flv"), await Player.begin(b, "/live/x.flv?redirect=0")]
        for player in players:
            await player.tags(8)
        one, other = await scraped(a), await scraped(b)
        for samples in one, other:
            assert samples["mesh_streams"] == samples["mesh_players"] == 1
            assert samples["mesh_members status=alive"] == 2
            assert samples["mesh_cache_bytes"] == a.catalog.budget.used > 0
            assert 200 < samples["mesh_sent_bytes_total"] < 600
        assert one["mesh_relay_links direction=out"] == other["mesh_relay_links direction=in"] == 1
        await until(lambda: [m.load.relays for m in (b.gossip.tables.members[n.gossip.id] for n in (a, b))] == [1, 0])
        players[0].close()
        await until(lambda: not len(a.fanout))
        assert (await scraped(a))["mesh_sent_bytes_total"] == one["mesh_sent_bytes_total"], "a counter only grows"


@asynctest
async def test_who_is_sent_on_or_away_is_counted_by_the_reason(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        for name, status in ("x", 302), ("x", 302), ("none", 404):
            assert (await get(b, f"/live/{name}.flv"))[0] == status
        samples = await scraped(b)
        assert samples["mesh_redirects_total proto=flv reason=does not have the stream"] == 2
        assert samples["mesh_refusals_total proto=flv reason=not found"] == 1
        assert not any(name.startswith(("mesh_redirects_", "mesh_refusals_")) for name in await scraped(a))


@asynctest
async def test_the_way_to_each_other_node_is_told(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x") and b.gossip.tables.members[b.gossip.id].links)
        samples = await scraped(b)
        assert 0 < samples["mesh_link_rtt_seconds peer=a"] < 1
        assert abs(samples["mesh_link_clock_offset_seconds peer=a"]) < 1
        assert samples["mesh_link_loss_ratio peer=a"] == samples["mesh_link_media_bits_per_second peer=a"] == 0
        assert "mesh_link_jitter_seconds peer=a" in samples
