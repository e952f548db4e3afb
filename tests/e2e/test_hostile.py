"""Malformed input costs the one who sends it his connection, and nobody else anything."""

import asyncio
import random
import re
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e import flv, http, synthetic
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.compare import assert_faithful
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

MORE_FILES = 100
HANDSHAKE = b"\x03" + bytes(1536) + bytes(1536)
RTMP = [
    ("version 6", b"\x06" + bytes(1536)),
    ("a chunk without a header to continue", HANDSHAKE + b"\xc5"),
    ("chunk size 0", HANDSHAKE + b"\x02\0\0\0\0\0\x04\x01\0\0\0\0" + bytes(4)),
    ("16 MiB of a command", HANDSHAKE + b"\x03\0\0\0\xff\xff\xff\x14\0\0\0\0"),
    ("AMF0 that ends early", HANDSHAKE + b"\x03\0\0\0\0\0\x04\x14\0\0\0\0\x02\0\x07c"),
    ("a command that is no string", HANDSHAKE + b"\x03\0\0\0\0\0\x09\x14\0\0\0\0\0" + bytes(8)),
]
FLV = [
    ("no FLV", b"RIFF" * 10),
    ("tag of type 200", flv.HEADER + b"\xc8\0\0\x01\0\0\0\0\0\0\0\0" + bytes(4)),
    ("random bytes", random.Random(1).randbytes(4096)),
]


async def closed(reader: asyncio.StreamReader) -> bool:
    """Whether the node hangs up soon."""
    try:
        async with asyncio.timeout(3):
            while await reader.read(65536):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


async def survives(node: Node, attack) -> None:
    """Others play on from this node, without a gap, while it is attacked."""
    urls = f"{node.http}/live/survivor.flv?wait=5", f"{node.rtmp}/live/survivor?wait=5"
    async with publishing(f"{node.rtmp}/live/survivor", synthetic.stream(30)) as publisher, playing(*urls) as players:
        for player in players:
            await player.has(10)
        await attack
        await asyncio.sleep(0.2)
        await assert_faithful(publisher, players)
        assert not publisher.error


@pytest.mark.parametrize("what, data", RTMP)
@asynctest
async def test_malformed_rtmp_closes_that_connection_only_and_is_logged(shared: Cluster, what, data):
    node = shared["a"]
    before = len(node.log)

    async def attack() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.rtmp_port)
        writer.write(data)
        assert await closed(reader), what
        writer.close()

    await survives(node, attack())
    assert re.search(r"WARNING mesh.rtmp: 127\.0\.0\.1:\d+ closed: .*(0x|\d)", node.log[before:]), node.log[before:]


@pytest.mark.parametrize("what, data", FLV)
@asynctest
async def test_malformed_flv_closes_that_connection_only_and_is_logged(shared: Cluster, what, data):
    node = shared["a"]
    before = len(node.log)

    async def attack() -> None:
        reply = await http.connect("POST", f"{node.http}/live/bad.flv", {"Transfer-Encoding": "chunked"})
        reply.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await http.read_head(reply)
        assert reply.status == 400
        reply.close()

    await survives(node, attack())
    assert re.search(r"mesh.http: 127\.0\.0\.1 published .*expected", node.log[before:]), node.log[before:]


@asynctest
async def test_random_bytes_at_every_listening_port_do_no_harm(shared: Cluster):
    node, noise = shared["a"], random.Random(2)
    ports = [node.rtmp_port, node.http_port, *range(node.mesh_port, node.mesh_port + 3)]

    async def attack() -> None:
        for port in ports:
            for size in (1, 64, 5000):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(noise.randbytes(size))
                writer.close()
                reader.feed_eof()

    await survives(node, attack())
    for other in shared.nodes.values():
        wait_until(lambda other=other: other.sees("a", "b", "c"), "all are alive")


@asynctest
async def test_a_player_that_never_reads_is_closed_and_slows_nobody(cluster: Cluster):
    (a,) = cluster.start("a", limits__player_lag_s="1")
    parts = urlsplit(a.http)

    async def attack() -> None:
        reply = await http.get(f"http://{parts.netloc}/live/survivor.flv")
        reply.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(2.5)
        reply.close()

    await survives(a, attack())


@asynctest
async def test_a_node_without_descriptors_keeps_whom_it_has_and_takes_clients_again(cluster: Cluster):
    a, b = cluster.start("a", "b")
    process = psutil.Process(a.pid)
    limits = process.rlimit(psutil.RLIMIT_NOFILE)
    url = f"{a.http}/live/survivor.flv?wait=5&redirect=0"

    def ill() -> str:
        return next(node["load"]["ill"] for node in b.json("/api/v1/nodes")["nodes"] if node["name"] == "a")

    async def attack() -> None:
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + MORE_FILES, limits[1]))
        ports = [a.http_port, a.rtmp_port] * MORE_FILES
        held = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
        await asyncio.to_thread(wait_until, lambda: "out of file descriptors" in ill(), "others know")
        await asyncio.sleep(2)  # in which it looks at its interfaces, its siblings and its machine
        for _, writer in held:
            writer.close()
        await asyncio.to_thread(wait_until, lambda: not ill(), "it has recovered")
        async with playing(url) as (player,):
            await player.has(10)

    await survives(a, attack())
    assert "Traceback" not in a.log
