"""Players who only ask where to go: at a fixed rate, however long the answers take, each on a connection of its own."""

import asyncio
import multiprocessing
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.e2e.cluster import free_ports, wait_until
from tests.e2e.http import PATIENCE_S

HOST = "127.0.0.1"


@dataclass
class Answers:
    """What came back, and when."""

    statuses: Counter[int] = field(default_factory=Counter)
    """0 counts those who got no answer."""
    locations: Counter[str] = field(default_factory=Counter)
    """The hosts, with ports, to which they were sent."""
    delays: list[float] = field(default_factory=list)
    """Seconds from the moment at which each was due to ask: a server that stalls is not asked any slower."""


async def ask(port: int, target: str, rate: float, seconds: float) -> Answers:
    """Ask a server on this machine `rate` times a second."""
    loop, answers = asyncio.get_running_loop(), Answers()
    request = f"GET {target} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode()
    began = loop.time() + 0.1

    async def one(due: float) -> None:
        head = await _head(port, request)
        answers.delays.append(loop.time() - due)
        answers.statuses[int(head.split(b" ", 2)[1]) if head else 0] += 1
        if b"Location: " in head:
            answers.locations[head.partition(b"Location: ")[2].split(b"/", 3)[2].decode()] += 1

    async with asyncio.TaskGroup() as tasks:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(due - loop.time())
            tasks.create_task(one(due))
    return answers


async def _head(port: int, request: bytes) -> bytes:
    """The head of a response; empty if there is none."""
    loop, head = asyncio.get_running_loop(), b""
    with socket.socket() as sock:
        sock.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_connect(sock, (HOST, port))
                await loop.sock_sendall(sock, request)
                while b"\r\n\r\n" not in head and (data := await loop.sock_recv(sock, 4096)):
                    head += data
        except OSError:
            return b""
    return head


@contextmanager
def bare_server() -> Iterator[int]:
    """The port of a process in which aiohttp alone answers 302: what no node can beat."""
    port = free_ports()
    process = multiprocessing.get_context("spawn").Process(target=_serve_bare, args=(port,), daemon=True)
    process.start()
    try:
        wait_until(lambda: asyncio.run(ask(port, "/", 1, 1)).statuses[302], "the bare server answers")
        yield port
    finally:
        process.terminate()
        process.join()


def _serve_bare(port: int) -> None:
    async def found(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:8080/live/x.flv?via=b")

    site = web.Application()
    site.add_routes([web.get("/{path:.*}", found)])
    web.run_app(site, host=HOST, port=port, access_log=None, print=None)
