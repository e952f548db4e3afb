"""A raw HTTP/1.1 client: it hides nothing of what a node answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

PATIENCE_S = 10.0
"""How long anything on loopback may take before a test gives up."""

REDIRECTS = (301, 302, 303, 307, 308)


@dataclass
class Reply:
    """A reply whose head has been read, and the connection that its body comes from."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    hops: list[str] = field(default_factory=list)
    """Every URL that was asked, the last being the one that answered."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives."""
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                yield (await self.reader.readexactly(size + 2))[:-2]
        elif "content-length" in self.headers:
            yield await self.reader.readexactly(int(self.headers["content-length"]))
        else:
            while data := await self.reader.read(1 << 16):
                yield data

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([data async for data in self.chunks()])

    def close(self) -> None:
        """Close the connection."""
        self.writer.close()


async def ask(method: str, url: str, headers: dict[str, str] | None = None, source: str = "") -> Reply:
    """Send a request's head, without a body, and read the head of the reply (which may be 100)."""
    reply = await connect(method, url, headers, source)
    await asyncio.wait_for(read_head(reply), PATIENCE_S)
    return reply


async def connect(method: str, url: str, headers: dict[str, str] | None = None, source: str = "") -> Reply:
    """Send a request's head, from this address of ours; the reply has the status 0 until its head is read."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    ours = (source, 0) if source else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80, limit=1 << 20, local_addr=ours)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return Reply(0, {}, reader, writer, [url])


async def read_head(reply: Reply) -> None:
    """Wait for the next status line and its headers."""
    head = (await reply.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    reply.status = int(status.split(" ")[1])
    reply.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


async def get(url: str, headers: dict[str, str] | None = None, source: str = "") -> Reply:
    """GET, following redirects as a player does."""
    hops = [url]
    while True:
        reply = await ask("GET", hops[-1], headers, source)
        reply.hops = hops
        if reply.status not in REDIRECTS or len(hops) > 5:
            return reply
        hops.append(urljoin(hops[-1], reply.headers["location"]))
        reply.close()


async def get_json(url: str) -> Any:
    """The JSON that a GET of this URL answers with 200."""
    reply = await get(url)
    try:
        body = await asyncio.wait_for(reply.read(), PATIENCE_S)
        assert reply.status == 200, f"{url}: {reply.status} {body[:200]!r}"
        return json.loads(body)
    finally:
        reply.close()
