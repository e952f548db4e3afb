"""Isolation: whether healthy players notice slow ones."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

from tests.e2e.cluster import Cluster
from tools.measures.stage import STREAM, URLS, Samples, live, load, metric, publishing

SLOW_KBPS = (0, 1050, 200)
"""One never reads, one reads at half of the stream's rate, one is on a thin link."""
LAG_S = 5


def measure(directory: Path, players: int, runs: int, seconds: float, samples: Samples) -> Iterator[tuple[str, ...]]:
    """Beside whom, the healthy players' longest gaps and delays, and what became of the slow ones."""
    with Cluster(directory, limits__player_lag_s=f"{LAG_S}") as cluster:
        (node,) = cluster.start("a")
        url = URLS["http"](node)
        with publishing(f"{node.rtmp}/{STREAM}", "--stamp"):
            live(node)
            for _ in range(runs):
                for slow in ((), SLOW_KBPS):
                    before = metric(node, "mesh_player_skips_total")
                    with ThreadPoolExecutor() as threads:
                        lazy = [
                            threads.submit(load, "play", url, "--probes", 0, "--lazy", kbps, "--seconds", seconds + 6)
                            for kbps in slow
                        ]
                        sleep(1.5 if slow else 0)
                        options = ("-n", players, "--ramp", 1, "--settle", 1, "--seconds", seconds, "--probes", 5)
                        report = load("play", url, *options)
                        ends = [", ".join(one.result()["errors"]) or "stayed" for one in lazy]
                    skips = metric(node, "mesh_player_skips_total") - before
                    samples.take(report, measure="isolation", slow=slow, ends=ends, skips=skips)
                    gaps, delays = report["gap_ms"], report["delay_ms"]
                    cells = (f"{figure:.0f}" for figure in (gaps[0], gaps[2], delays[0], delays[1]))
                    yield f"{len(slow)} slow ones", *cells, f"{skips:.0f}", "; ".join(ends)
