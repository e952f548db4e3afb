"""Publishers of known frames, in real time or faster, over RTMP or HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urljoin

from tests.e2e import flv, http, rtmp
from tests.e2e.flv import Tag
from tests.e2e.rtmp import Refused
from tests.e2e.tasks import running


class Ingest(Protocol):
    """An accepted connection that takes tags."""

    async def send(self, tag: Tag) -> None:
        """Send one. Raises `Refused` once the node has refused, or `OSError` if it closed."""

    async def end(self) -> None:
        """End the stream in good order."""

    def close(self) -> None:
        """Drop the connection."""


class RTMPIngest:
    """`publish` over RTMP."""

    def __init__(self, stream: rtmp.Stream) -> None:
        self.asked_at = stream.asked_at
        self._stream = stream
        self._listening = asyncio.create_task(stream.listen())

    @classmethod
    async def open(cls, url: str, start: asyncio.Barrier | None = None) -> "RTMPIngest":
        """Connect, and publish once the server agrees. Raises `Refused`."""
        return cls(await rtmp.Stream.open(url, publish=True, start=start))

    async def send(self, tag: Tag) -> None:
        if self._listening.done():
            self._listening.result()
        await self._stream.send(tag)

    async def end(self) -> None:
        await self._stream.end()

    def close(self) -> None:
        self._listening.cancel()
        self._stream.close()


class HTTPIngest:
    """`POST` or `PUT` of FLV in chunks."""

    def __init__(self, reply: http.Reply) -> None:
        self._reply = reply
        self._answer = asyncio.create_task(http.read_head(reply))

    @classmethod
    async def open(cls, url: str, method: str = "POST", expect: bool = False) -> "HTTPIngest":
        """Connect; with `Expect: 100-continue` wait for the verdict, and follow it if it is a redirect."""
        headers = {"Transfer-Encoding": "chunked", "Content-Type": "video/x-flv"}
        if not expect:
            ingest = cls(await http.connect(method, url, headers))
        else:
            reply = await http.ask(method, url, headers | {"Expect": "100-continue"})
            if reply.status in http.REDIRECTS:
                reply.close()
                return await cls.open(urljoin(url, reply.headers["location"]), method, expect)
            if reply.status != 100:
                reply.close()
                raise Refused(reply.status)
            ingest = cls(reply)
        ingest._write(flv.HEADER)
        return ingest

    async def send(self, tag: Tag) -> None:
        if self._answer.done():
            self._answer.result()
            raise Refused(self._reply.status)
        self._write(tag.encode())
        await self._reply.writer.drain()

    async def end(self) -> None:
        self._reply.writer.write(b"0\r\n\r\n")
        await asyncio.wait_for(self._answer, http.PATIENCE_S)
        if self._reply.status // 100 != 2:
            raise Refused(self._reply.status)

    def close(self) -> None:
        self._answer.cancel()
        self._reply.close()

    def _write(self, data: bytes) -> None:
        self._reply.writer.write(b"%x\r\n%b\r\n" % (len(data), data))


class Publisher:
    """Sends frames, and remembers which and when."""

    def __init__(self, ingest: Ingest, tags: Iterable[Tag], pace: float) -> None:
        """`pace` is how many times faster than real time; 0 is as fast as it goes."""
        self.sent: list[Tag] = []
        self.sent_at: list[float] = []
        self.finished = asyncio.Event()
        self.error: Exception | None = None
        self._ingest = ingest
        self._tags: Iterator[Tag] = iter(tags)
        self._pace = pace

    async def run(self) -> None:
        """Send all frames; then stay connected, silent."""
        began, first = time.perf_counter(), None
        try:
            for tag in self._tags:
                first = tag.timestamp if first is None else first
                if self._pace:
                    due = began + ((tag.timestamp - first) & 0xFFFFFFFF) / 1000 / self._pace
                    await asyncio.sleep(due - time.perf_counter())
                await self._ingest.send(tag)
                self.sent.append(tag)
                self.sent_at.append(time.perf_counter())
        except (Refused, OSError, asyncio.IncompleteReadError) as error:
            self.error = error
        self.finished.set()

    async def done(self) -> None:
        """Wait until everything is sent. Raises what went wrong."""
        await self.finished.wait()
        if self.error:
            raise self.error

    async def end(self) -> None:
        """End the stream in good order."""
        await self.done()
        await self._ingest.end()


@asynccontextmanager
async def publishing(
    url: str, tags: Iterable[Tag], pace: float = 1.0, method: str = "POST", expect: bool = False
) -> AsyncIterator[Publisher]:
    """A publisher for as long as the block takes. Raises a `Refused` where the node says so before any frame."""
    if url.startswith("rtmp:"):
        ingest: Ingest = await RTMPIngest.open(url)
    else:
        ingest = await HTTPIngest.open(url, method, expect)
    publisher = Publisher(ingest, tags, pace)
    try:
        async with running(publisher.run()):
            yield publisher
    finally:
        ingest.close()
