"""Ingest: what a publisher costs, beside nginx-rtmp in the same run."""

from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.cluster import Cluster
from tools.measures.stage import Samples, load, median, nginx

SETTLE_S = 12.0
"""Until the logs are as large as they get, and need no new memory."""


class Ingest(NamedTuple):
    """µs of CPU per publisher and second."""

    publishers: int
    rtmp: float
    http: float
    nginx: float


def measure(directory: Path, count: int, runs: int, seconds: float, samples: Samples) -> Ingest:
    """Ours by RTMP and by HTTP, and nginx, one after the other."""
    reports: dict[str, list[dict[str, Any]]] = {"rtmp": [], "http": [], "nginx": []}
    with Cluster(directory, stream__hold_s="0", stream__linger_s="0") as cluster, nginx(directory) as rival:
        (node,) = cluster.start("a")
        servers = {
            "rtmp": (f"{node.rtmp}/live", node.pid),
            "http": (f"{node.http}/live", node.pid),
            "nginx": (rival.url, rival.pid),
        }
        for run in range(runs):
            for name, (url, pid) in servers.items():
                options = ("-n", count, "--seconds", seconds, "--ramp", 1, "--settle", SETTLE_S, "--pid", pid)
                report = load("publish", f"{url}/{name}{run}-{{n}}", *options)
                assert report["joined"] == count and not report["errors"], report
                reports[name].append(samples.take(report, measure="ingest", server=name, publishers=count))
    return Ingest(count, *(median(reports[name], lambda report: report["cpu_us"]) for name in reports))
