"""Thousands of damaged sessions at every port: the node keeps serving, and its memory stays flat."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

import psutil
import pytest
import zmq

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.compare import assert_faithful
from tests.e2e.mutation import HANDSHAKE, message, mutated, posted, recorded
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

AT_ONCE = 24
FLAT_BYTES = 24 << 20
"""What the allocator may keep in the second half of the sessions."""

COUNTS = [300, pytest.param(10_000, marks=pytest.mark.soak)]


async def deliver(port: int, data: bytes, listen_s: float) -> None:
    """Connect, say this, listen a moment, hang up."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        async with asyncio.timeout(listen_s):
            await writer.drain()
            while await reader.read(1 << 16):
                pass
    except (OSError, TimeoutError):
        pass
    finally:
        writer.close()


async def everything(work: Iterator[Awaitable[None]]) -> None:
    """Do all of it, a few at once."""

    async def some() -> None:
        for item in work:
            await item

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def unharmed(node: Node, count: int, session: Callable[[int], Awaitable[None]]) -> tuple[int, int]:
    """Run sessions against a node that serves others meanwhile; return its memory halfway and at the end."""
    process = psutil.Process(node.pid)
    urls = f"{node.http}/live/honest.flv?wait=5", f"{node.rtmp}/live/honest?wait=5"
    async with publishing(f"{node.rtmp}/live/honest", synthetic.stream(600)) as publisher, playing(*urls) as players:
        for player in players:
            await player.has(10)
        await everything(session(number) for number in range(count // 2))
        early = process.memory_info().rss
        await everything(session(number) for number in range(count // 2, count))
        late = process.memory_info().rss
        await assert_faithful(publisher, players)
    return early, late


def report(what: str, count: int, early: int, late: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{count} {what}: {early / 2**20:.1f} MiB after half of them, {late / 2**20:.1f} MiB at the end")
    assert late - early < FLAT_BYTES


@pytest.mark.parametrize("count", COUNTS)
@asynctest(600)
async def test_mutated_rtmp_sessions_do_no_harm(cluster: Cluster, capsys, count):
    (node,) = cluster.start("a", stream__hold_s="1")
    noise, sessions = random.Random(count), [recorded(publish=True), recorded(publish=False)]

    async def session(number: int) -> None:
        data = mutated(sessions[number % 2], number, noise, HANDSHAKE if number % 10 else 0)
        await deliver(node.rtmp_port, data, 0.05)

    report("mutated RTMP sessions", count, *await unharmed(node, count, session), capsys)


@pytest.mark.parametrize("count", COUNTS)
@asynctest(600)
async def test_mutated_http_requests_do_no_harm(cluster: Cluster, capsys, count):
    (node,) = cluster.start("a", stream__hold_s="1")
    noise, request = random.Random(count), posted()

    async def session(number: int) -> None:
        await deliver(node.http_port, mutated(request, number, noise), 0.05)

    report("mutated HTTP requests", count, *await unharmed(node, count, session), capsys)


@pytest.mark.parametrize("count", COUNTS)
@asynctest(600)
async def test_random_bytes_at_the_ports_of_the_mesh_do_no_harm(cluster: Cluster, capsys, count):
    node, other = cluster.start("a", "b")
    noise = random.Random(count)
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)

    async def session(number: int) -> None:
        data = noise.randbytes(noise.randint(1, 2000))
        await deliver(node.mesh_port + number % 3, greeting + data if number % 2 else data, 0.01)

    report("random connections to the mesh's ports", count, *await unharmed(node, count, session), capsys)
    assert node.sees("a", "b") and other.sees("a", "b")


@pytest.mark.parametrize("count", COUNTS)
@asynctest(600)
async def test_messages_that_no_node_would_send_do_no_harm(cluster: Cluster, capsys, count):
    node, other = cluster.start("a", "b")
    noise = random.Random(count)
    with zmq.Context() as context:
        sockets = [context.socket(kind) for kind in (zmq.DEALER, zmq.SUB, zmq.PUSH)]
        for socket, port in zip(sockets, range(node.mesh_port, node.mesh_port + 3), strict=True):
            socket.linger = 0
            socket.connect(f"tcp://127.0.0.1:{port}")
        sockets[1].subscribe(b"")

        async def session(number: int) -> None:
            parts = [message(noise) for _ in range(noise.randint(1, 4))]
            for socket in (sockets[0], sockets[2]):
                try:
                    socket.send_multipart(parts, zmq.NOBLOCK)
                except zmq.Again:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0)

        try:
            report("messages from no node", count, *await unharmed(node, count, session), capsys)
        finally:
            for socket in sockets:
                socket.close()
    for each in (node, other):
        await asyncio.to_thread(wait_until, lambda each=each: each.sees("a", "b"), "both are alive")
