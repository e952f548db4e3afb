"""Whole nodes in this process, and clients that talk to them through real sockets."""

import asyncio
import os
import random
import socket
import struct
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest import mock

import zmq

from mesh import config
from mesh.gossip import membership
from mesh.media import flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind
from mesh.node import Node
from mesh.rtmp.client import ClientSession
from mesh.rtmp.event import MessageReceived, Playing, Published
from tests.net.asynctest import until

T = TypeVar("T")

HOST = "127.0.0.1"
SETTINGS = {
    "http.listen": f"{HOST}:0",
    "rtmp.listen": f"{HOST}:0",
    "mesh.listen": f"{HOST}:0",
    "mesh.mdns": "false",
    "node.drain_s": "0",
}
JOIN_S = 0.05
"""For which these nodes wait for an answer: they know at once that nobody is there."""
STOP_S = 3.0
"""What stopping may take."""
PATIENCE_S = 5.0

CLIENTS: "list[Client]" = []
"""All that were connected: they stay so until the nodes have stopped, whoever else forgets them."""

METADATA = Tag(Kind.META, 0, b"\x02\x00\x0aonMetaData\x08\0\0\0\0\0\0\x09")
AVC_HEADER = Tag(Kind.VIDEO, 0, bytes.fromhex("17 00 000000 01640028"))
AAC_HEADER = Tag(Kind.AUDIO, 0, bytes.fromhex("af 00 1190"))
HEADERS = (METADATA, AVC_HEADER, AAC_HEADER)
FRAME_MS = 40


class Mesh(list[Node]):
    """Nodes that have met."""

    def __init__(self, directory: Path, **settings: str) -> None:
        super().__init__()
        self._directory = directory
        self._settings = SETTINGS | {"mesh.name": f"test-{uuid.uuid4().hex}"} | _keys(settings)
        self._running: dict[Node, asyncio.Task[None]] = {}

    async def start(self, name: str, **settings: str) -> Node:
        """Start one more; the first is everybody's seed. Raises what the node raises."""
        given = {"node.name": name, "node.data_dir": str(self._directory / name), **self._settings, **_keys(settings)}
        if self:
            given["mesh.seeds"] = f"{HOST}:{self[0].gossip.card.control}"
        node = Node(config.load(None, [f"{key}={value}" for key, value in given.items()], {})[0])
        ready = asyncio.Event()
        self._running[node] = running = asyncio.create_task(node.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([running, waiting], return_when="FIRST_COMPLETED")
        waiting.cancel()
        await asyncio.wait([waiting])
        if running.done():
            await self._running.pop(node)
        self.append(node)
        return node

    async def stop(self, *nodes: Node) -> None:
        """Stop these; fails if they do not."""
        for node in nodes:
            self.remove(node)
            node.stop()
        async with asyncio.timeout(STOP_S):
            await asyncio.gather(*[self._running.pop(node) for node in nodes])

    async def kill(self, node: Node) -> None:
        """End one as `kill -9` does: nobody hears another word of it."""
        wires = node.gossip._wires
        with mock.patch.multiple(wires, send=lambda *_: False, publish=lambda *_: None):
            await self.stop(node)

    async def settled(self) -> None:
        """Wait until everyone sees everyone, and knows the way there."""
        for node in self:
            others = [other.gossip.id for other in self if other is not node]
            await until(lambda node=node: sum(m.status == "alive" for m in node.gossip.tables.listed()) == len(self))
            await until(lambda node=node, others=others: all(map(node.gossip.route, others)))


@asynccontextmanager
async def meshed(directory: Path, *names: str, **settings: str) -> AsyncIterator[Mesh]:
    """Nodes of these names for as long as the block takes; `stream__hold_s="1"` is `-s stream.hold_s=1`."""
    mesh = Mesh(directory, **settings)
    with mock.patch.object(membership, "JOIN_S", JOIN_S):
        try:
            for name in names:
                await mesh.start(name)
            await mesh.settled()
            yield mesh
        finally:
            try:
                await mesh.stop(*mesh)
            finally:
                while CLIENTS:
                    CLIENTS.pop().close()


async def written(node: Node, key: str, count: int) -> None:
    """Wait until a node's publisher of a stream has written so many messages."""
    await until(lambda: (stream := node.streams.get(key)) and stream.publication.leader.frames >= count)


async def keepsakes() -> None:
    """Let libraries take what they keep: pyzmq its collector, libuv a descriptor with a loop's first listener."""
    zmq.Frame(bytes(1 << 20), copy=False)
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, HOST, 0)
    server.close()
    await server.wait_closed()


def footprint() -> tuple[int, int]:
    """How many descriptors and tasks this process has."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


def http(node: Node) -> int:
    """A node's port for HTTP."""
    return node.gossip.card.http


def rtmp(node: Node) -> int:
    """A node's port for RTMP."""
    return node.gossip.card.rtmp


def keyframe(n: int) -> Tag:
    """The `n`th picture, at which a decoder can start; no two payloads are equal."""
    return Tag(Kind.VIDEO, n * FRAME_MS, b"\x17\x01\0\0\0" + b"picture %d" % n)


def picture(n: int) -> Tag:
    """The `n`th picture, at which no decoder can start."""
    return Tag(Kind.VIDEO, n * FRAME_MS, b"\x27\x01\0\0\0" + b"picture %d" % n)


def sound(n: int) -> Tag:
    """The `n`th sound."""
    return Tag(Kind.AUDIO, n * FRAME_MS, b"\xaf\x01" + b"sound %d" % n)


def gop(first: int, count: int = 5) -> list[Tag]:
    """A keyframe and the pictures after it."""
    return [keyframe(first), *map(picture, range(first + 1, first + count))]


def payloads(tags: Iterable[Tag]) -> list[bytes]:
    return [tag.payload for tag in tags]


class Client:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        CLIENTS.append(self)

    @classmethod
    async def connect(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection(HOST, port, limit=1 << 20))

    @classmethod
    async def ask(cls, port: int, request: str, *headers: str, host: str = "") -> Self:
        """Send the head of a request, "GET /path"."""
        client = await cls.connect(port)
        lines = [f"{request} HTTP/1.1", f"Host: {host or f'{HOST}:{port}'}", *headers]
        client.send("\r\n".join([*lines, "", ""]).encode())
        return client

    def send(self, data: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(data)

    async def head(self) -> str:
        """The head of a response."""
        async with asyncio.timeout(PATIENCE_S):
            return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def status(self) -> int:
        """The status of a response."""
        return int((await self.head()).split(" ")[1])

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def hung_up(self) -> None:
        """Wait until the other side has closed."""
        with suppress(ConnectionError):
            await self.rest()

    def close(self) -> None:
        """Hang up in good order (FIN)."""
        self.writer.close()

    def abort(self) -> None:
        """Hang up at once (RST)."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


async def get(node: Node, target: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name, and body of a response."""
    client = await Client.ask(http(node), f"{method} {target}", "Connection: close", *headers)
    first, *lines = (await client.head()).splitlines()
    body = await client.rest()
    client.close()
    told = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
    return int(first.split(" ")[1]), told, body


class Poster(Client):
    """A publisher over HTTP."""

    @classmethod
    async def begin(cls, node: Node, target: str, *tags: Tag, expect: bool = False) -> Self:
        """Publish to a path, these tags to begin with; raises an `AssertionError` if asking first is in vain."""
        expects = ["Expect: 100-continue"] if expect else []
        poster = await cls.ask(http(node), f"POST {target}", "Transfer-Encoding: chunked", *expects)
        if expect:
            head = await poster.head()
            assert head.split(" ")[1] == "100", head
        poster.send_chunk(flv.header(True, True))
        poster.feed(*tags)
        return poster

    def feed(self, *tags: Tag) -> None:
        if tags:
            self.send_chunk(b"".join(map(flv.encode, tags)))

    def send_chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> int:
        """End in good order; the status of the response."""
        self.send(b"0\r\n\r\n")
        return await self.status()


class Player(Client):
    """A player over HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._flv = flv.Reader()

    @classmethod
    async def begin(cls, node: Node, target: str) -> Self:
        """Play from a path."""
        player = await cls.ask(http(node), f"GET {target}")
        assert await player.status() == 200
        return player

    async def tags(self, count: int) -> list[Tag]:
        """The next tags, no fewer than these."""
        tags: list[Tag] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(tags) < count:
                data = await self.reader.read(1 << 16)
                assert data, f"the stream ended after {len(tags)} of {count} tags"
                tags += self._flv.feed(data)
        return tags

    async def sees(self, *tags: Tag) -> None:
        """Wait for these payloads, one after the other, whatever comes before."""
        seen: list[bytes] = []
        while seen[-len(tags) :] != payloads(tags):
            for tag in await self.tags(1):
                seen.append(tag.payload)
                if seen[-len(tags) :] == payloads(tags):
                    break


class RTMPClient(Client):
    """A client that speaks RTMP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.session = ClientSession(random.Random(1))
        self._events: list[Any] = []

    @classmethod
    async def play(cls, node: Node, key: str) -> Self:
        """Ask to play, and wait for the answer."""
        client = await cls.connect(rtmp(node))
        client.session.play(f"rtmp://{HOST}/{key}")
        await client.expect(Playing)
        return client

    @classmethod
    async def publish(cls, node: Node, key: str, *tags: Tag) -> Self:
        """Ask to publish, wait for the answer, and begin with these tags."""
        client = await cls.connect(rtmp(node))
        client.session.publish(f"rtmp://{HOST}/{key}")
        await client.expect(Published)
        client.feed(*tags)
        return client

    def feed(self, *tags: Tag) -> None:
        for tag in tags:
            self.session.send(*tag)
        self.flush()

    def flush(self) -> None:
        self.send(self.session.data_to_send())

    async def expect(self, kind: type[T]) -> T:
        """The next event, which has to be of this kind."""
        event = await self.event()
        assert isinstance(event, kind), event
        return event

    async def event(self) -> Any:
        """The next event; None when the connection is closed."""
        async with asyncio.timeout(PATIENCE_S):
            while not self._events:
                self.flush()
                data = await self.reader.read(1 << 16)
                if not data:
                    return None
                self._events += self.session.receive_data(data)
        return self._events.pop(0)

    async def tags(self, count: int) -> list[Tag]:
        """The next messages of the stream."""
        return [Tag(*await self.expect(MessageReceived)) for _ in range(count)]


def half_close(client: Client) -> None:
    """Send no more (FIN), and go on reading."""
    client.writer.write_eof()


LEAVES = [Client.close, Client.abort, half_close]
"""Every way to leave."""


def _keys(settings: dict[str, str]) -> dict[str, str]:
    return {key.replace("__", "."): value for key, value in settings.items()}
