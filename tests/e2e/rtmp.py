"""One RTMP connection of ours, as publisher or as player: ClientSession on a socket."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from mesh.media.frame import Kind
from mesh.rtmp.client import ClientSession
from mesh.rtmp.event import MessageReceived, PlayEnded, Playing, Published, Rejected
from tests.e2e.flv import Tag
from tests.e2e.http import PATIENCE_S

PUBLISH = b"\x02\x00\x07publish"
"""How the command begins that asks for it."""


class Refused(Exception):
    """The server said no; the only argument is its code."""


class Stream:
    """The connection, once the server has said yes."""

    def __init__(self, session: ClientSession, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.status = ""
        """`NetStream.Publish.Start` or `NetStream.Play.Start`."""
        self.asked_at = 0.0
        """When it asked to publish, if there was somebody to wait for."""
        self._session = session
        self._reader = reader
        self._writer = writer
        self._early: list[Any] = []  # what came in one read with the answer
        self._start: asyncio.Barrier | None = None

    @classmethod
    async def open(cls, url: str, publish: bool, start: asyncio.Barrier | None = None) -> "Stream":
        """Connect and ask, in the same moment as all others of `start`.

        Raises `Refused`, or `OSError` where the server just closes.
        """
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 1935, limit=1 << 20)
        session = ClientSession(random.Random())
        (session.publish if publish else session.play)(url)
        stream = cls(session, reader, writer)
        stream._start = start
        try:
            await asyncio.wait_for(stream._answer(), PATIENCE_S)
        except BaseException:
            writer.close()
            raise
        return stream

    async def tags(self) -> AsyncIterator[Tag]:
        """What the server sends, until it ends the stream."""
        while True:
            events, self._early = self._early or await self._receive(), []
            for event in events:
                if isinstance(event, MessageReceived):
                    yield Tag(event.kind, event.timestamp, event.payload)
                elif isinstance(event, PlayEnded):
                    return

    async def send(self, tag: Tag) -> None:
        """Publish one message."""
        self._session.send(Kind(tag.kind), tag.timestamp, tag.payload)
        await self._flush()

    async def end(self) -> None:
        """End the stream in good order."""
        self._session.close()
        await self._flush()

    def close(self) -> None:
        """Drop the connection."""
        self._writer.close()

    async def listen(self) -> None:
        """Answer what a publisher is asked, until the server closes. Raises `ConnectionError` then."""
        while True:
            await self._receive()

    async def _answer(self) -> None:
        await self._flush()
        while True:
            events = await self._receive()
            for place, event in enumerate(events):
                if isinstance(event, Rejected):
                    raise Refused(event.code)
                if isinstance(event, Published | Playing):
                    self.status = f"NetStream.{'Publish' if isinstance(event, Published) else 'Play'}.Start"
                    self._early = events[place + 1 :]
                    return

    async def _receive(self) -> list[Any]:
        data = await self._reader.read(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        events = self._session.receive_data(data)
        await self._flush()
        return events

    async def _flush(self) -> None:
        if data := self._session.data_to_send():
            if self._start and PUBLISH in data:
                await self._start.wait()
                self.asked_at = time.perf_counter()
            self._writer.write(data)
            await self._writer.drain()


@asynccontextmanager
async def playing(url: str) -> AsyncIterator[Stream]:
    """Play for as long as the block takes."""
    stream = await Stream.open(url, publish=False)
    try:
        yield stream
    finally:
        stream.close()
