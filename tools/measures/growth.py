"""Growth: what more players, streams and nodes cost, each one."""

from collections.abc import Iterator
from pathlib import Path
from time import sleep

from mesh.bench.process import cost
from tests.e2e.cluster import Cluster
from tools.measures.stage import STREAM, URLS, Samples, live, load, median, publishing

REST_S = 5.0
CAMERA = ("--fps", 5, "--no-sound")
JOINS = 500
"""Players who come in a second, at most."""
PUBLISHERS = 100
"""The same of publishers."""


def players(directory: Path, counts: list[int], kbps: int, runs: int, samples: Samples) -> Iterator[tuple[str, float]]:
    """µs per player and second, by their number."""
    with Cluster(directory) as cluster:
        (node,) = cluster.start("a")
        with publishing(f"{node.rtmp}/{STREAM}", "--kbps", kbps):
            live(node)
            for count in counts:
                ramp = max(2.0, count / JOINS)
                options = ("-n", count, "--ramp", ramp, "--seconds", 3, "--probes", 0, "--pid", node.pid)
                reports = [load("play", URLS["http"](node), *options) for _ in range(runs)]
                for report in reports:
                    samples.take(report, measure="growth", players=count, kbps=kbps)
                yield str(count), median(reports, lambda report: report["cpu_us"])


def streams(
    directory: Path, counts: list[int], kbps: int, runs: int, samples: Samples, *clip: object
) -> Iterator[tuple[str, float]]:
    """µs per publisher and second, by their number; `clip` says what is published instead of pictures and sound."""
    with Cluster(directory, stream__hold_s="0") as cluster:
        (node,) = cluster.start("a")
        for count in counts:
            ramp = max(2, count / PUBLISHERS)
            options = ("-n", count, "--ramp", ramp, "--seconds", 3, "--kbps", kbps, *clip, "--pid", node.pid)
            reports = [load("publish", f"{node.rtmp}/live/{run}-{{n}}", *options) for run in range(runs)]
            for report in reports:
                assert report["joined"] == count and not report["errors"], report
                samples.take(report, measure="growth", streams=count, kbps=kbps)
            yield str(count), median(reports, lambda report: report["cpu_us"])


def cameras(directory: Path, counts: list[int], kbps: int, runs: int, samples: Samples) -> Iterator[tuple[str, float]]:
    """The same of publishers of five pictures a second."""
    yield from streams(directory, counts, kbps, runs, samples, *CAMERA)


def nodes(directory: Path, counts: list[int], runs: int, samples: Samples) -> Iterator[tuple[str, float]]:
    """µs per node and second, at rest, by their number."""
    with Cluster(directory) as cluster:
        names = [f"n{number}" for number in range(max(counts))]
        for count in counts:
            cluster.start(*names[len(cluster.nodes) : count])
            sleep(REST_S)
            reports = []
            for _ in range(runs):
                before = [cost(node.pid).cpu_s for node in cluster.nodes.values()]
                sleep(REST_S)
                spent = sum(cost(node.pid).cpu_s for node in cluster.nodes.values()) - sum(before)
                reports.append(samples.take({"cpu_us": spent * 1e6 / count / REST_S}, measure="growth", nodes=count))
            yield str(count), median(reports, lambda report: report["cpu_us"])
