"""Redirects: how long an HTTP player waits for one, beside a bare aiohttp server in the same run.

They ask at a fixed rate, however long the answers take, and each on a connection of its own. A delay counts from the
moment at which its player was due to ask, so a server that stalls is not asked any slower.

Run as `python -m tools.measures.redirect PORT` it is the bare server: what no node can beat.
"""

import select
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil
from aiohttp import web

from tests.e2e.cluster import Cluster, free_ports, wait_until
from tools.measures.stage import STREAM, live, publishing, running

HOST = "127.0.0.1"
PATIENCE_S = 10.0


class Row(NamedTuple):
    """One run of one server; delays in ms."""

    server: str
    p50: float
    p99: float
    most: float
    cpu_us: float
    """Of the server, for each answer."""
    answers: str


@dataclass
class Answers:
    """What came back, and after how many seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    """0 counts those who got no answer."""
    delays: list[float] = field(default_factory=list)

    def take(self, player: "Player") -> None:
        """What has come for one: the head of a response is a single segment."""
        head = b""
        with player.sock as sock, suppress(OSError):
            head = sock.recv(4096)
        self.statuses[int(head.split(b" ", 2)[1]) if head else 0] += 1
        self.delays.append(time.monotonic() - player.due)


class Player(NamedTuple):
    """One who asks."""

    sock: socket.socket
    due: float


def measure(directory: Path, rate: float, seconds: float, runs: int) -> Iterator[Row]:
    """A row for each run of the node and of the bare server, in turns."""
    bare, command = free_ports(), (sys.executable, "-m", "tools.measures.redirect")
    with Cluster(directory) as cluster, running(*command, str(bare)):
        cluster.create("a", node__zone="east")
        cluster.create("b", node__zone="west")
        a, b = cluster.start("a", "b")
        wait_until(lambda: ask(bare, "/", 1, 1).statuses[302], "the bare server answers")
        with publishing(f"{a.rtmp}/{STREAM}"):
            live(b)
            for _ in range(runs):
                for server, port in ("node", b.http_port), ("bare aiohttp", bare):
                    yield _row(server, port, rate, seconds)


def median(server: str, rows: list[Row]) -> Row:
    """Of each figure of a server, the middle one."""
    figures = [row[1:5] for row in rows if row.server == server]
    return Row(server, *map(statistics.median, zip(*figures, strict=True)), f"median of {len(figures)}")


def ask(port: int, target: str, rate: float, seconds: float) -> Answers:
    """Ask a server on this machine `rate` times a second, with as little work of our own as can be."""
    request = f"GET {target} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
    answers, poll, open_ = Answers(), select.epoll(), dict[int, Player]()
    began = time.monotonic()
    dues = [began + number / rate for number in reversed(range(round(rate * seconds)))]
    while dues or open_:
        while dues and dues[-1] <= time.monotonic():
            player = Player(_connecting(port), dues.pop())
            open_[player.sock.fileno()] = player
            poll.register(player.sock, select.EPOLLOUT)
        events = poll.poll(max(0.0, dues[-1] - time.monotonic()) if dues else PATIENCE_S)
        for file, event in events:
            if event == select.EPOLLOUT:
                open_[file].sock.send(request)
                poll.modify(file, select.EPOLLIN)
            else:
                answers.take(open_.pop(file))
        if not events and not dues:
            answers.statuses[0] += len(open_)
            break
    return answers


def serve(port: int) -> None:
    """Answer everything with 302."""

    async def found(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:8080/live/x.flv?via=b")

    site = web.Application()
    site.add_routes([web.get("/{path:.*}", found)])
    web.run_app(site, host=HOST, port=port, access_log=None, print=None)


def _row(server: str, port: int, rate: float, seconds: float) -> Row:
    busy = _cpu_s(port)
    answers = ask(port, f"/{STREAM}.flv?zone=east", rate, seconds)
    cost = (_cpu_s(port) - busy) / len(answers.delays)
    delays = sorted(delay * 1000 for delay in answers.delays)
    p50, p99, most = (delays[min(int(len(delays) * share), len(delays) - 1)] for share in (0.5, 0.99, 1))
    said = ", ".join(f"{count} x {status}" for status, count in answers.statuses.items())
    return Row(server, p50, p99, most, cost * 1e6, said)


def _connecting(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex((HOST, port))
    return sock


def _cpu_s(port: int) -> float:
    """What the process that listens there has computed so far."""
    (pid,) = {it.pid for it in psutil.net_connections("tcp") if it.status == "LISTEN" and it.laddr.port == port}
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    serve(int(sys.argv[1]))
