"""Memory: what a player costs beyond socket buffers, and what is left after many have come and gone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

from mesh.bench.process import cost
from tests.e2e.cluster import Cluster
from tools.measures.stage import STREAM, URLS, Samples, live, load, publishing

WINDOW_S = 25.0
"""Until a log is as large as it gets."""
VISIT = ("-n", 200, "--ramp", 60, "--settle", 0, "--seconds", 0.1, "--probes", 0)
"""What of each protocol comes in a minute; of all three together ten a second."""


def players(directory: Path, count: int, runs: int, samples: Samples) -> Iterator[tuple[str, ...]]:
    """Protocol and KiB of each player, of each run on a node of its own."""
    for scheme, url in URLS.items():
        for run in range(runs):
            (here := directory / f"{scheme}{run}").mkdir()
            with Cluster(here) as cluster:
                (node,) = cluster.start("a")
                with publishing(f"{node.rtmp}/{STREAM}"):
                    live(node)
                    sleep(WINDOW_S)
                    before = cost(node.pid).rss
                    report = load("play", url(node), "-n", count, "--ramp", 4, "--seconds", 2, "--pid", node.pid)
                    samples.take(report, measure="memory", scheme=scheme, rss=before)
                    yield scheme, str(report["joined"]), f"{(report['after'][2] - before) / count / 1024:.1f}"


def churn(directory: Path, minutes: int, kbps: int, samples: Samples) -> Iterator[tuple[str, ...]]:
    """Resident MiB at the end of each minute, while players of all protocols come and go."""
    with Cluster(directory) as cluster:
        (node,) = cluster.start("a")
        with publishing(f"{node.rtmp}/{STREAM}", "--kbps", kbps):
            live(node)
            for minute in range(minutes):
                with ThreadPoolExecutor() as threads:
                    reports = list(threads.map(lambda url: load("play", url(node), *VISIT), URLS.values()))
                rss = cost(node.pid).rss
                samples.take({"rss": rss, "errors": [report["errors"] for report in reports]}, measure="churn")
                yield str(minute + 1), str(sum(report["joined"] for report in reports)), f"{rss / 2**20:.1f}"
