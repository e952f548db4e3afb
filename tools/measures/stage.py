"""Stage: servers and loads, each a process of its own, alive for as long as a block takes."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.cluster import ROOT, Node, free_ports, wait_until

MESHCTL = [sys.executable, str(ROOT / "tools/meshctl"), "bench"]
STREAM = "live/bench"
URLS: dict[str, Callable[[Node], str]] = {
    "http": lambda node: f"{node.http}/{STREAM}.flv?redirect=0",
    "ws": lambda node: f"{node.ws}/{STREAM}.flv",
    "rtmp": lambda node: f"{node.rtmp}/{STREAM}",
}

NGINX = """
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 16384; }}
rtmp {{ server {{ listen 127.0.0.1:{port}; chunk_size 65536; application live {{ live on; }} }} }}
"""


class Server(NamedTuple):
    """One that is measured."""

    url: str
    pid: int


class Sample(NamedTuple):
    """What one load reported."""

    what: dict[str, Any]
    report: dict[str, Any]

    def __getitem__(self, name: Any) -> Any:
        return self.report[name]


class Samples(list[Sample]):
    """Every report, written to a file as it comes."""

    def __init__(self, path: str | None) -> None:
        self._path = path

    def take(self, report: dict[str, Any], **what: Any) -> dict[str, Any]:
        """Keep one; return it."""
        self.append(Sample(what, report))
        if self._path:
            with open(self._path, "a") as file:
                print(json.dumps(what | {"report": report}), file=file)
        return report


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process, terminated with the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def publishing(url: str, *options: Any) -> Iterator[None]:
    """Publishers, for longer than any measurement."""
    with running(*MESHCTL, "publish", url, "--seconds", "86400", *map(str, options)) as process:
        time.sleep(1.5)
        assert process.poll() is None, f"nobody publishes to {url}"
        yield


def load(kind: str, url: str, *options: Any) -> dict[str, Any]:
    """A load's report."""
    command = [*MESHCTL, kind, url, "-o", "json", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@contextmanager
def floor(form: str, passes: float, kbps: int) -> Iterator[Server]:
    """The bare floor."""
    port = free_ports()
    arguments = map(str, (port, form, passes, kbps))
    with running(sys.executable, "-m", "tools.measures.floor", *arguments) as process:
        assert process.stdout and process.stdout.readline()  # it listens
        yield Server(f"tcp://127.0.0.1:{port}", process.pid)


@contextmanager
def nginx(directory: Path) -> Iterator[Server]:
    """nginx with the RTMP module of Debian's libnginx-mod-rtmp."""
    port, config = free_ports(), directory / "nginx.conf"
    (module,) = Path("/usr/lib/nginx/modules").glob("ngx_rtmp_module.so")
    config.write_text(f"load_module {module};" + NGINX.format(directory=directory, port=port))
    with running("nginx", "-p", str(directory), "-c", str(config)) as process:
        time.sleep(1)
        yield Server(f"rtmp://127.0.0.1:{port}/live", process.pid)


def passes(node: Node) -> float:
    """How many passes its fan-out has made."""
    return metric(node, "mesh_passes_total")


def metric(node: Node, name: str) -> float:
    """A metric without labels."""
    lines = wait_until(lambda: node.get("/metrics")[1], "metrics").decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def live(node: Node, count: int = 1) -> None:
    """Wait until the node knows that many streams."""
    wait_until(lambda: len((node.json("/api/v1/streams") or {"streams": ()})["streams"]) >= count, f"{count} streams")


def median(reports: list[dict[str, Any]], figure: Callable[[dict[str, Any]], float]) -> float:
    """The middle one."""
    return statistics.median(map(figure, reports))
