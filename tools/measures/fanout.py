"""Fan-out: what a player costs, beside the bare floor and nginx-rtmp in the same run."""

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from mesh.bench.process import cost
from tests.e2e.cluster import Cluster, Node, wait_until
from tools.measures.stage import (
    STREAM,
    URLS,
    Samples,
    Server,
    floor,
    live,
    load,
    median,
    metric,
    nginx,
    passes,
    publishing,
)

RAMP_S, SETTLE_S = 1.0, 1.5


class Row(NamedTuple):
    """One combination; CPU in µs per player and second, delays in ms."""

    scheme: str
    players: int
    passes: float
    """A second."""
    ours: float
    rest: float
    """Of ours, what the node costs with its publisher and without players; it does not grow with them."""
    floor: float
    nginx: float | None
    delay_p50: float
    delay_p99: float

    @property
    def ratio(self) -> float:
        """To the floor."""
        return self.ours / self.floor


class Trial(NamedTuple):
    """What is tried, and how often."""

    runs: int
    seconds: float
    kbps: int
    pass_ms: int
    """The time between passes, instead of what the node would choose; 0 leaves it to the node."""
    beside_nginx: bool


def measure(directory: Path, schemes: list[str], counts: list[int], trial: Trial, samples: Samples) -> Iterator[Row]:
    """A row for each scheme and count; each run takes ours, then the floor at the pace that ours had, then nginx."""
    pace = {"egress__pass_min_ms": f"{trial.pass_ms}", "egress__pass_max_ms": f"{trial.pass_ms}"}
    with Cluster(directory, **(pace if trial.pass_ms else {})) as cluster, ExitStack() as stack:
        (node,) = cluster.start("a")
        noise = ("--kbps", trial.kbps, "--stamp")
        stack.enter_context(publishing(f"{node.rtmp}/{STREAM}", *noise))
        rival = stack.enter_context(nginx(directory)) if trial.beside_nginx else None
        if rival:
            stack.enter_context(publishing(f"{rival.url}/bench", *noise))
        live(node)
        for scheme in schemes:
            for count in counts:
                yield _row(node, rival, scheme, count, trial, samples)


def _row(node: Node, rival: Server | None, scheme: str, count: int, trial: Trial, samples: Samples) -> Row:
    options = ("-n", count, "--seconds", trial.seconds, "--ramp", RAMP_S, "--settle", SETTLE_S)
    what = {"measure": "fanout", "scheme": scheme, "players": count, "kbps": trial.kbps, "pass_ms": trial.pass_ms}
    ours, floors, rivals, paces, rests = [], [], [], [], []
    for _ in range(trial.runs):
        rests.append(_spent(node, trial.seconds) * 1e6 / trial.seconds / count)
        pace, report = _paced(node, count, trial.seconds, URLS[scheme](node), *options, "--pid", node.pid)
        paces.append(pace)
        ours.append(samples.take(report, server="ours", passes=pace, **what))
        with floor(scheme, pace, trial.kbps) as bare:
            report = load("play", bare.url, *options, "--pid", bare.pid)
            floors.append(samples.take(report, server="floor", passes=pace, **what))
        if rival and scheme == "rtmp":
            report = load("play", f"{rival.url}/bench", *options, "--pid", rival.pid)
            rivals.append(samples.take(report, server="nginx", **what))
    return Row(
        scheme,
        count,
        statistics.median(paces),
        median(ours, _cpu_us),
        statistics.median(rests),
        median(floors, _cpu_us),
        median(rivals, _cpu_us) if rivals else None,
        median(ours, lambda report: report["delay_ms"][0]),
        median(ours, lambda report: report["delay_ms"][1]),
    )


def _spent(node: Node, seconds: float) -> float:
    before = cost(node.pid).cpu_s
    time.sleep(seconds)
    return cost(node.pid).cpu_s - before


def _paced(node: Node, count: int, seconds: float, *options: Any) -> tuple[float, dict[str, Any]]:
    """A load's report, and the passes in a second while all its players were there."""
    with ThreadPoolExecutor() as threads:
        loading = threads.submit(load, "play", *options)
        wait_until(lambda: metric(node, "mesh_players") >= count, f"{count} players")
        time.sleep(SETTLE_S / 2)
        began, before = time.monotonic(), passes(node)
        time.sleep(seconds / 2)
        rate = (passes(node) - before) / (time.monotonic() - began)
        return rate, loading.result()


def _cpu_us(report: dict[str, Any]) -> float:
    assert report["joined"] == report["clients"] and not report["errors"], report
    return float(report["cpu_us"])
