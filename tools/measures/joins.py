"""Joins: how long players wait who all come at once."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

from tests.e2e.cluster import Cluster
from tools.measures.stage import STREAM, URLS, Samples, live, load, publishing

STREAMS = 200
COLD_KBPS = 200
LINGER_S = 2


def measure(directory: Path, players: int, runs: int, samples: Samples) -> Iterator[tuple[str, ...]]:
    """What, joined, and the wait for the first keyframe in ms: the median, nearly all, the last; of each run."""
    with Cluster(directory, stream__linger_s=f"{LINGER_S}", balance__redirect="false") as cluster:
        a, b = cluster.start("a", "b")
        with publishing(f"{a.rtmp}/{STREAM}"):
            live(a)
            for scheme, url in URLS.items():
                for _ in range(runs):
                    report = load("play", url(a), "-n", players, "--ramp", 1, "--seconds", 1, "--probes", 0)
                    samples.take(report, measure="joins", scheme=scheme)
                    yield f"{players} players of one stream, {scheme}", *_figures(report)
        with publishing(f"{a.rtmp}/live/s{{n}}", "-n", STREAMS, "--kbps", COLD_KBPS):
            live(b, STREAMS)
            for _ in range(runs):
                report = load("play", f"{b.http}/live/s{{n}}.flv", "-n", STREAMS, "--seconds", 1, "--probes", 0)
                samples.take(report, measure="joins", scheme="http", streams=STREAMS)
                yield f"{STREAMS} streams of another node", *_figures(report)
                sleep(LINGER_S + 1)  # until all replicas are let go


def _figures(report: dict) -> tuple[str, ...]:
    waits = report["keyframe_ms"] or ()
    return f"{report['joined']} of {report['clients']}", *(f"{wait:.0f}" for wait in waits)
