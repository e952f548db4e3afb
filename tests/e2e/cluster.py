"""Real nodes as real processes: started, watched, stopped and killed by their own pid."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.network import Host, Network

ROOT = Path(__file__).parents[2]
PATIENCE_S = float(os.environ.get("PATIENCE_S", 30))
"""How long a node may take for what it should do at once; generous, because the machine may be busy."""

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def quiet() -> bool:
    """Whether the machine has so little to do that what takes long is our own doing."""
    return os.getloadavg()[0] < (os.cpu_count() or 1)


def wait_until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Look every 50 ms until this is true; return what it was."""
    deadline = time.monotonic() + patience_s
    while not (value := holds()):
        assert time.monotonic() < deadline, f"{what}: still not so after {patience_s} s"
        time.sleep(0.05)
    return value


async def eventually(holds: Callable[[], Any], what: str, patience_s: float = 15) -> float:
    """The same for a coroutine; how long it took until this held, in seconds."""
    began = time.perf_counter()
    await asyncio.to_thread(wait_until, holds, what, patience_s)
    return time.perf_counter() - began


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Which of the processes this is that share the suite, from 0."""
_PORTS = range(20000 + 3000 * _WORKER, 23000 + 3000 * _WORKER)
"""Outside the range of outgoing connections, and those of no other process of the suite."""
_next_port = random.choice(_PORTS)


def free_ports(count: int = 1) -> int:
    """The first of that many neighbouring ports which nobody has; none is given out twice, bound by then or not."""
    global _next_port
    while True:
        first = _next_port if _next_port + count <= _PORTS.stop else _PORTS.start
        _next_port = first + count
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


class Node:
    """One `python node.py`."""

    def __init__(
        self, name: str, directory: Path, overrides: dict[str, str], environ: dict[str, str], host: Host | None = None
    ) -> None:
        """`overrides` are what `-s` gets, `section.key` to value; `host` is where it runs, if not here."""
        self.name = name
        self.log_path = directory / f"{name}.log"
        self.address = host.address if host else "127.0.0.1"
        self.http_port = int(overrides["http.listen"].rpartition(":")[2])
        self.rtmp_port = int(overrides["rtmp.listen"].rpartition(":")[2])
        self.mesh_port = int(overrides["mesh.listen"].rpartition(":")[2])
        self.http = f"http://{self.address}:{self.http_port}"
        self.ws = f"ws://{self.address}:{self.http_port}"
        self.rtmp = f"rtmp://{self.address}:{self.rtmp_port}"
        self._host = host
        self._command = [sys.executable, str(ROOT / "node.py")]
        for key, value in overrides.items():
            self._command += ["-s", f"{key}={value}"]
        self._environ = environ
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The pid of the process that runs, or ran last."""
        assert self.process
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        """What it has written so far, in all its lives."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> None:
        """Start it; does not wait."""
        with self.log_path.open("ab") as log, self._host.entered() if self._host else nullcontext():
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environ
            )

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET; 0 if it cannot be reached."""
        try:
            with _OPENER.open(self.http + path, timeout=5) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def post(self, path: str) -> tuple[int, bytes]:
        """Status and body of a POST without a body, asked on its own machine."""
        with self._host.entered() if self._host else nullcontext():
            connection = HTTPConnection(self.address, self.http_port, timeout=5, source_address=("127.0.0.1", 0))
            with closing(connection):
                connection.request("POST", path)
                reply = connection.getresponse()
                return reply.status, reply.read()

    def json(self, path: str) -> Any:
        """What the API answers; None if it does not answer 200."""
        status, body = self.get(path)
        return json.loads(body) if status == 200 else None

    def sees(self, *names: str) -> bool:
        """Whether these, and no others, are alive to it."""
        answer = self.json("/api/v1/nodes")
        return answer is not None and sorted(names) == sorted(
            node["name"] for node in answer["nodes"] if node["status"] == "alive"
        )

    def stream(self, key: str) -> dict[str, Any] | None:
        """The row of `/api/v1/streams` with this key."""
        answer = self.json("/api/v1/streams") or {"streams": []}
        return next((row for row in answer["streams"] if row["stream"] == key), None)

    def ready(self) -> bool:
        """Whether `/readyz` says so. A process that ended is no longer waited for."""
        assert self.running, f"{self.name} ended with {self.process and self.process.returncode}:\n{self.log[-2000:]}"
        return self.get("/readyz")[0] == 200

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        if self.running:
            os.kill(self.pid, number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its exit code."""
        assert self.process
        return self.process.wait(patience_s)

    def stop(self) -> int | None:
        """End it as Ctrl-C does, and by force if it will not; None if it had to be forced."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGINT)
        try:
            return self.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self) -> None:
        """`kill -9`."""
        self.signal(signal.SIGKILL)
        self.wait()


class Cluster:
    """Nodes of one mesh, on loopback or each on its host. Leaving the block ends them, and fails if one ends badly."""

    def __init__(self, directory: Path, network: Network | None = None, **settings: str) -> None:
        """`settings` hold for every node: `stream__linger_s="1"` is `-s stream.linger_s=1`."""
        self.nodes: dict[str, Node] = {}
        self._directory = directory
        self._network = network
        self._settings = {key.replace("__", "."): value for key, value in settings.items()}
        self._mesh = f"test-{uuid.uuid4().hex[:8]}"

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def create(self, name: str, **settings: str) -> Node:
        """A node that is not started yet; the first is everybody's seed."""
        seeds = [f"{node.address}:{node.mesh_port}" for node in self.nodes.values()][:1]
        host = self._network[name] if self._network else None
        address = host.address if host else "127.0.0.1"
        overrides = {
            "node.name": name,
            "node.data_dir": str(self._directory / f"data-{name}"),
            "http.listen": f"{address}:{free_ports()}",
            "rtmp.listen": f"{address}:{free_ports()}",
            "mesh.listen": f"{address}:{free_ports(3)}",
            "mesh.name": self._mesh,
            "mesh.mdns": "false",
            "mesh.seeds": ",".join(seeds),
        }
        overrides |= self._settings | {key.replace("__", "."): value for key, value in settings.items()}
        environ = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
        environ["XDG_STATE_HOME"] = str(self._directory / "state")
        self.nodes[name] = Node(name, self._directory, overrides, environ, host)
        return self.nodes[name]

    def start(self, *names: str, **settings: str) -> list[Node]:
        """Start nodes of these names and wait until each is ready and sees all that run."""
        started = [self.nodes.get(name) or self.create(name, **settings) for name in names]
        for node in started:
            node.start()
        for node in started:
            wait_until(node.ready, f"{node.name} ready")
        self.settle()
        return started

    def settle(self) -> None:
        """Wait until all that run see each other, and nobody else, alive."""
        alive = [node for node in self.nodes.values() if node.running]
        for node in alive:
            wait_until(partial(node.sees, *(n.name for n in alive)), f"{node.name} sees all others")

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        codes = {node.name: node.stop() for node in self.nodes.values() if node.running}
        if isinstance(error, Exception):
            for node in self.nodes.values():
                print(f"\n--- {node.name} ---\n{node.log[-4000:]}")
            return
        assert set(codes.values()) <= {0}, f"exit codes {codes}, expected 0"
        for node in self.nodes.values():
            trace = re.search(r"Traceback[^\0]*", node.log)
            assert not trace, f"{node.name} wrote\n{trace and trace[0][:3000]}"
