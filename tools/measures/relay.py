"""Relay: what a hop adds to the delay, and what many streams cost, plain and with CURVE."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from time import sleep
from typing import Any

from mesh.bench.process import cost
from tests.e2e.cluster import Cluster, Node
from tools.measures.stage import STREAM, Samples, live, load, publishing

STREAMS = 100
CHAIN = "abcd"
"""The leader, and the nodes that fetch from one another; each is a zone of the same name."""
COSTS = "{'a>c' = 9, 'a>d' = 9, 'b>d' = 9}"
"""Of traffic between zones: only the next node is cheap to fetch from."""
STEP_S = 2.0
"""From one player's join to that of the next node's."""


def measure(directory: Path, runs: int, seconds: float, kbps: int, samples: Samples) -> Iterator[tuple[str, ...]]:
    """Encryption, delays along a chain, the most that a hop adds, and what a relayed stream costs two nodes."""
    secret = directory / "secret"
    secret.write_text("a secret that is long enough for any mesh")
    secret.chmod(0o600)
    for name, settings in (("plain", {}), ("CURVE", {"mesh__secret_file": str(secret)})):
        (here := directory / name).mkdir()
        with Cluster(here, stream__linger_s="1", stream__hold_s="1", balance__cost=COSTS, **settings) as cluster:
            nodes = [cluster.create(name, node__zone=name) for name in CHAIN]
            cluster.start(*CHAIN)
            for run in range(runs):
                delays = _delays(nodes, name, seconds, samples)
                added = [[far - near for near, far in pairwise(hops)] for hops in zip(*delays, strict=True)]
                feeds, fetches = _costs(*nodes[:2], name, f"live/{run}", seconds, kbps, samples)
                p50, p99, _ = (" ".join(f"{ms:.1f}" for ms in hops) for hops in zip(*delays, strict=True))
                yield name, p50, p99, f"{max(added[0]):.1f}", f"{max(added[1]):.1f}", f"{feeds:.0f}", f"{fetches:.0f}"


def _delays(nodes: list[Node], name: str, seconds: float, samples: Samples) -> list[list[float]]:
    """Median, p99 and most at each node of the chain, in ms, all at the same time."""

    def play(hop: int) -> dict[str, Any]:
        sleep(hop * STEP_S)
        settle = (len(nodes) - hop) * STEP_S
        return load("play", f"{nodes[hop].http}/{STREAM}.flv?redirect=0", "--seconds", seconds, "--settle", settle)

    with publishing(f"{nodes[0].rtmp}/{STREAM}", "--stamp"), ThreadPoolExecutor() as threads:
        live(nodes[-1])
        playing = [threads.submit(play, hop) for hop in range(len(nodes))]
        sleep(len(nodes) * STEP_S)
        row = nodes[0].stream(STREAM)
        assert row and {r["node"]: r["supplier"] for r in row["replicas"]} == dict(zip("bcd", "abc", strict=True)), row
        reports = [each.result() for each in playing]
    for hop, report in enumerate(reports):
        samples.take(report, measure="relay", encryption=name, hop=hop)
    return [report["delay_ms"] for report in reports]


def _costs(a: Node, b: Node, name: str, key: str, seconds: float, kbps: int, samples: Samples) -> list[float]:
    """µs per stream and second, beyond what the streams cost before they were relayed."""
    with publishing(f"{a.rtmp}/{key}-{{n}}", "-n", STREAMS, "--kbps", kbps):
        live(b, STREAMS)
        rest = [_spent(node, seconds) for node in (a, b)]
        with ThreadPoolExecutor() as threads:
            options = ("-n", STREAMS, "--seconds", seconds + 2, "--settle", 1)
            playing = threads.submit(load, "play", f"{b.http}/{key}-{{n}}.flv?redirect=0", *options)
            sleep(3)
            busy = list(threads.map(lambda node: _spent(node, seconds), (a, b)))
            report = playing.result()
    costs = [1e6 * (now - before) / seconds / STREAMS for now, before in zip(busy, rest, strict=True)]
    samples.take(report, measure="relay", encryption=name, streams=STREAMS, feeds_us=costs[0], fetches_us=costs[1])
    assert report["joined"] == STREAMS, report
    return costs


def _spent(node: Node, seconds: float) -> float:
    before = cost(node.pid).cpu_s
    sleep(seconds)
    return cost(node.pid).cpu_s - before
