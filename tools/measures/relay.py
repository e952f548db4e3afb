"""Relay: what a hop adds to the delay, and what many streams cost, plain and with CURVE."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

from mesh.bench.process import cost
from tests.e2e.cluster import Cluster, Node
from tools.measures.stage import STREAM, Samples, live, load, publishing

STREAMS = 100


def measure(directory: Path, runs: int, seconds: float, kbps: int, samples: Samples) -> Iterator[tuple[str, ...]]:
    """Encryption, delay at the leader and one hop on, and the cost of a relayed stream at either end."""
    secret = directory / "secret"
    secret.write_text("a secret that is long enough for any mesh")
    secret.chmod(0o600)
    for name, settings in (("plain", {}), ("CURVE", {"mesh__secret_file": str(secret)})):
        (here := directory / name).mkdir()
        with Cluster(here, stream__linger_s="0.5", stream__hold_s="0.5", **settings) as cluster:
            a, b = cluster.start("a", "b")
            delays = [_delays(a, b, name, seconds, samples) for _ in range(runs)]
            costs = [_costs(a, b, name, f"live/{run}", seconds, kbps, samples) for run in range(runs)]
        for (near, far), (feeds, fetches) in zip(delays, costs, strict=True):
            figures = (near[0], far[0], far[0] - near[0], near[1], far[1], far[1] - near[1])
            yield name, *(f"{ms:.1f}" for ms in figures), f"{feeds:.0f}", f"{fetches:.0f}"


def _delays(a: Node, b: Node, name: str, seconds: float, samples: Samples) -> list[list[float]]:
    with publishing(f"{a.rtmp}/{STREAM}", "--stamp"), ThreadPoolExecutor() as threads:
        live(b)
        urls = [f"{node.http}/{STREAM}.flv?redirect=0" for node in (a, b)]
        reports = list(threads.map(lambda url: load("play", url, "--seconds", seconds), urls))
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
