"""Players that count: every frame, its bytes, its timestamp and when it came."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp

from tests.e2e import http, rtmp
from tests.e2e.flv import Reader, Tag
from tests.e2e.http import PATIENCE_S
from tests.e2e.tasks import running


class Arrival(NamedTuple):
    """A frame that reached a player."""

    tag: Tag
    at: float


class Player:
    """One player of `http://`, `ws://` or `rtmp://`, which goes on until it is closed or the node ends it."""

    def __init__(self, url: str, source: str = "") -> None:
        """`source` is the address from which it asks over HTTP."""
        self.url = url
        self.source = source
        self.hops: list[str] = [url]
        """Every URL that was asked, the last being the one that answered."""
        self.status: int | str = 0
        """The HTTP status, or RTMP's code: `NetStream.Play.Start` and so on."""
        self.arrivals: list[Arrival] = []
        self.began_at = 0.0
        """When it began to connect."""
        self.promised: tuple[bool, bool] | None = None
        """Whether FLV's header says that audio and video will come."""
        self.ended = False
        """Whether the node ended it."""
        self._payloads: set[bytes] = set()
        self._more, self._over = asyncio.Event(), asyncio.Event()

    @property
    def tags(self) -> list[Tag]:
        """Everything received."""
        return [arrival.tag for arrival in self.arrivals]

    @property
    def frames(self) -> list[Tag]:
        """Everything received but headers and metadata."""
        return [tag for tag in self.tags if not tag.config and not tag.end]

    @property
    def first_media_s(self) -> float:
        """From its first step, redirects and handshakes included, to the first frame."""
        return next(at for tag, at in self.arrivals if not tag.config) - self.began_at

    async def until(self, done: Callable[["Player"], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait until this holds, looking whenever a frame came."""
        deadline = time.perf_counter() + patience_s
        while not done(self):
            assert not self.ended, f"{self.url} was ended ({self.status}) after {len(self.arrivals)} tags, {what}"
            left = deadline - time.perf_counter()
            assert left > 0, f"{self.url} ({self.status}) has {len(self.frames)} frames after {patience_s} s, {what}"
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), min(left, 1.0))
            except TimeoutError:
                continue

    async def receives(self, tag: Tag) -> None:
        """Wait for the frame with this payload."""
        await self.until(lambda player: tag.payload in player._payloads, "not the one expected")

    async def has(self, frames: int) -> None:
        """Wait for that many frames."""
        await self.until(lambda player: len(player.frames) >= frames, f"expected {frames}")

    async def over(self) -> None:
        """Wait until the node has ended it, or refused it."""
        await asyncio.wait_for(self._over.wait(), PATIENCE_S)

    async def run(self) -> None:
        """Play."""
        self.began_at = time.perf_counter()
        play = {"http": self._play_http, "ws": self._play_websocket, "rtmp": self._play_rtmp}
        try:
            await play[self.url.partition(":")[0]]()
        except (OSError, asyncio.IncompleteReadError, rtmp.Refused) as error:
            self.status = self.status or str(error)
        finally:
            self.ended = True
            self._over.set()
            self._more.set()

    def _arrived(self, tags: list[Tag]) -> None:
        now = time.perf_counter()
        self.arrivals += [Arrival(tag, now) for tag in tags]
        self._payloads.update(tag.payload for tag in tags)
        self._more.set()

    async def _play_http(self) -> None:
        reply = await http.get(self.url, source=self.source)
        self.hops, self.status = reply.hops, reply.status
        self._more.set()
        try:
            if reply.status != 200:
                return
            flv = Reader()
            async for data in reply.chunks():
                self._arrived(flv.feed(data))
                self.promised = flv.audio, flv.video
        finally:
            reply.close()

    async def _play_websocket(self) -> None:
        try:
            async with aiohttp.ClientSession() as session, session.ws_connect(self.url, max_msg_size=0) as socket:
                self.status = 101
                flv = Reader()
                async for message in socket:
                    assert message.type == aiohttp.WSMsgType.BINARY, message
                    self._arrived(flv.feed(message.data))
        except aiohttp.WSServerHandshakeError as error:
            self.status = error.status

    async def _play_rtmp(self) -> None:
        async with rtmp.playing(self.url) as stream:
            self.status = stream.status
            self._more.set()
            async for tag in stream.tags():
                self._arrived([tag])


@asynccontextmanager
async def playing(*urls: str, source: str = "") -> AsyncIterator[list[Player]]:
    """A player of each URL, for as long as the block takes."""
    players = [Player(url, source) for url in urls]
    async with running(*(player.run() for player in players)):
        yield players
