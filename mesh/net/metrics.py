"""Metrics for Prometheus: of this node, its links and its view of the mesh; labels stay few."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from mesh.gossip.member import Link
from mesh.net.balance import Balance
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.relay import Relay
from mesh.stream.catalog import Catalog

RELAYED = {
    "bytes": "Bytes of frames between nodes.",
    "frames": "Frames between nodes.",
    "skips": "Times that a node came too late and skipped to a keyframe.",
    "losses": "Messages that got lost between nodes, and were fetched again.",
}
WAYS: tuple[tuple[str, str, Callable[[Link], float]], ...] = (
    ("rtt_seconds", "Round trip to a node.", lambda link: link.rtt_ms / 1000),
    ("jitter_seconds", "By how much one round trip differs from the next.", lambda link: link.jitter_ms / 1000),
    ("loss_ratio", "Share of a node's heartbeats that came late or not at all.", lambda link: link.loss),
    ("media_bits_per_second", "What streams from a node bring.", lambda link: link.bps),
    ("clock_offset_seconds", "How far a node's clock seems to be ahead.", lambda link: link.offset_ms / 1000),
)


class Metrics:
    """Reads everything when it is asked, and keeps nothing."""

    def __init__(self, gossip: Gossip, catalog: Catalog, fanout: Fanout, relay: Relay, balance: Balance) -> None:
        self._gossip = gossip
        self._tables = gossip.tables
        self._catalog = catalog
        self._fanout = fanout
        self._relay = relay
        self._balance = balance
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks of a collector."""
        me = self._tables.members[self._tables.me]
        yield InfoMetricFamily("mesh_node", "This node.", {"id": me.id, "name": me.name, "zone": me.zone})
        yield GaugeMetricFamily("mesh_loop_lag_seconds", "How late the event loop was.", me.load.loop_lag_ms / 1000)
        yield GaugeMetricFamily("mesh_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
        yield GaugeMetricFamily("mesh_streams", "Streams that this node holds.", len(list(self._catalog)))
        yield GaugeMetricFamily("mesh_players", "Players that this node serves.", len(self._fanout))
        yield GaugeMetricFamily("mesh_cache_bytes", "Memory that the streams' logs hold.", self._catalog.budget.used)
        yield CounterMetricFamily("mesh_sent_bytes", "Bytes sent to players.", self._fanout.sent)
        yield CounterMetricFamily(
            "mesh_passes", "Walks over all players whose streams have grown.", self._fanout.passes
        )
        yield CounterMetricFamily("mesh_player_skips", "Times that a player fell off a log's tail.", self._fanout.skips)
        yield _turned("mesh_redirects", "Clients sent to another node.", self._balance.redirects)
        yield _turned("mesh_refusals", "Clients sent away.", self._balance.refusals)
        statuses = Counter(str(member.status) for member in self._tables.members.values())
        yield _by("status", "mesh_members", "Nodes as seen from here.", statuses)
        yield self._dropped()
        yield from self._relayed()
        yield from self._ways(me.links)

    def _ways(self, links: Mapping[str, Link]) -> Iterator[Metric]:
        """The way to each of the others."""
        members = self._tables.members
        ways = {self._tables.display_name(id): link for id, link in links.items() if members[id].status.living}
        for name, words, figure in WAYS:
            yield _by("peer", f"mesh_link_{name}", words, {peer: figure(link) for peer, link in ways.items()})

    def _dropped(self) -> Metric:
        """What others sent in vain."""
        counter = CounterMetricFamily("mesh_dropped", "Messages of other nodes that were dropped.", labels=["reason"])
        for reason, count in {**self._relay.dropped, "rejected message": self._gossip.rejected}.items():
            counter.add_metric([reason], count)
        return counter

    def _relayed(self) -> Iterator[Metric]:
        """What goes on between this node and others."""
        links = self._relay.links
        directions = Counter(link.direction for link in links)
        yield _by("direction", "mesh_relay_links", "Streams that are fetched (in) and fed (out).", directions)
        worst = max((link.lag_ms for link in links), default=0)
        yield GaugeMetricFamily("mesh_relay_lag_seconds", "How late the latest of these links is.", worst / 1000)
        totals = self._relay.totals
        for name, words in RELAYED.items():
            counter = CounterMetricFamily(f"mesh_relay_{name}", words, labels=["direction"])
            for direction in ("in", "out"):
                counter.add_metric([direction], totals[direction, name])
            yield counter


def _by(label: str, name: str, words: str, values: Mapping[str, float]) -> Metric:
    gauge = GaugeMetricFamily(name, words, labels=[label])
    for value, count in values.items():
        gauge.add_metric([value], count)
    return gauge


def _turned(name: str, words: str, counts: Mapping[tuple[str, str], int]) -> Metric:
    counter = CounterMetricFamily(name, words, labels=["proto", "reason"])
    for labels, count in counts.items():
        counter.add_metric(labels, count)
    return counter
