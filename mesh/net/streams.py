"""Streams: where clients ask for them; claimed for publishers, fetched for players."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mesh.balance.policy import Redirect, Request
from mesh.config import Config
from mesh.errors import NoRoom, NotAllowed, StreamNotFound, StreamTaken
from mesh.gossip.event import Event, LeadChanged
from mesh.gossip.member import Status
from mesh.gossip.tables import Tables
from mesh.net.addresses import trusted
from mesh.net.balance import Balance
from mesh.net.claim import Claims
from mesh.net.ends import Ends
from mesh.net.fanout import Fanout
from mesh.net.geoip import places_by
from mesh.net.gossip import Gossip
from mesh.net.publication import Publication
from mesh.net.relay import Relay
from mesh.net.stream import Stream
from mesh.net.tasks import guarded
from mesh.net.tick import tick
from mesh.stream.catalog import Catalog
from mesh.stream.end import End

log = logging.getLogger("mesh.stream")

OPEN_S = 5.0
"""How long a fetch may take to be answered before its players are refused."""
BEGIN_S = 1.0
"""How long the winner of two claims may take to begin."""
SWEEP_S = 0.2


class Streams:
    """All streams that this node holds."""

    def __init__(self, config: Config, catalog: Catalog, fanout: Fanout) -> None:
        self._config = config
        self._open = config.public
        self._catalog = catalog
        self._fanout = fanout
        self._places = places_by(config.balance.geoip)
        self._streams: dict[str, Stream] = {}
        self._ended: dict[str, float] = {}
        """Streams that were held for long enough, and until when it is of no use that others still hold them."""
        self._changed = asyncio.Event()
        self.balance: Balance
        """Where their clients go."""
        self._gossip: Gossip
        self._relay: Relay
        self._claims: Claims
        self._tasks: asyncio.TaskGroup

    def join(self, gossip: Gossip, relay: Relay) -> None:
        """Meet the mesh; before this no stream can be had."""
        self._gossip, self._relay = gossip, relay
        self._claims = Claims(gossip, Ends(gossip, self._end, self._concede), self._catch_up)
        self.balance = Balance(self._config.balance, gossip, self._places)
        gossip.watch(self._heard)

    @property
    def tables(self) -> Tables:
        """The mesh as seen from here."""
        return self._gossip.tables

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[Stream]:
        return iter(list(self._streams.values()))

    def get(self, key: str) -> Stream | None:
        """A stream that this node holds."""
        return self._streams.get(key)

    async def play(self, request: Request, wait_s: float = 0) -> Stream | Redirect:
        """The stream, here or elsewhere. Raises `StreamError` if nobody can serve it."""
        with self.balance.refusing(request.proto):
            await self._gossip.joined.wait()
            await self._appears(request.stream, wait_s)
            if not self._known(request.stream):
                raise StreamNotFound(f"no node has {request.stream}")
            return self.balance.send(request) or await self._attach(request.stream)

    async def publish(self, request: Request, client: str, close: Callable[[str], None]) -> Publication | Redirect:
        """Claim a stream for a client, by its address, and begin the stream's next epoch, or wait as its standby.

        Raises `StreamError` if it is live anywhere, nobody has room, or the client is not trusted.
        """
        with self.balance.refusing(request.proto):
            if not (self._open or trusted(client)):
                raise NotAllowed(f"{client} is a public address, and this mesh has no secret")
            await self._gossip.joined.wait()
            try:
                return await self._claimed(request, close)
            except StreamTaken as error:
                if not self._config.stream.standby:
                    raise
                return await self._stand_by(request.stream, close, error)

    def unpublish(self, key: str, publication: Publication) -> None:
        """The publisher has gone."""
        if stream := self._streams.get(key):
            stream.unpublish(publication)

    def keep(self, key: str, seconds: float) -> None:
        """Hold a stream for so long, whether or not anybody plays it here; if nobody has it, nothing is held."""
        if self._known(key):
            stream = self._wanted(key)
            stream.kept_until = max(stream.kept_until, asyncio.get_running_loop().time() + seconds)

    async def run(self) -> None:
        """Look after the streams until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as self._tasks:
            while True:
                await tick(SWEEP_S)
                for stream in self:
                    stream.tend(loop.time())

    def close(self) -> None:
        """Let go of all of them: players are told that the stream ended."""
        for stream in self:
            stream.drop("the node is stopping")

    async def _claimed(self, request: Request, close: Callable[[str], None]) -> Publication | Redirect:
        key = request.stream
        if stream := self._streams.get(key):
            stream.displace_ghost()
        request = replace(request, over=await self._claims.ghost(key))
        if elsewhere := self.balance.send(request):
            return elsewhere
        if self._known(key):
            # What is still held of it goes on here: the new epoch continues that log, and its clock.
            self._wanted(key)
        async with self._claims.claimed(key, over=request.over) as ends:
            # Meanwhile this node may have begun to stop.
            self.balance.send(replace(request, redirect=False))
            stream = self._streams.get(key) or self._hold(key)
            return stream.publish(close, ends, request.over)

    async def _stand_by(self, key: str, close: Callable[[str], None], taken: StreamTaken) -> Publication:
        """Have a publisher wait, because the stream is taken."""
        await self._appears(key, BEGIN_S)
        if not self._known(key) or self.tables.members[self._gossip.id].status != Status.ALIVE:
            raise taken
        return self._wanted(key).stand_by(close)

    async def _appears(self, key: str, wait_s: float) -> None:
        """Wait until some node has the stream, but no longer than `wait_s` seconds."""
        if not wait_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._known(key):
                    await self._changed.wait()

    async def _attach(self, key: str) -> Stream:
        """The stream, fetched if need be. Raises `StreamNotFound` if it is over, `NoRoom` if nobody delivers it."""
        stream = self._wanted(key)
        stream.awaited += 1
        try:
            async with asyncio.timeout(OPEN_S):
                await stream.opened.wait()
        except TimeoutError:
            raise NoRoom(f"{key} did not open within {OPEN_S:g} s") from None
        finally:
            stream.awaited -= 1
            stream.needed_at = asyncio.get_running_loop().time()
        if self._streams.get(key) is not stream:
            if stream.crowded:
                raise NoRoom(f"no node that has {key} can feed one more")
            raise StreamNotFound(f"{key} has ended")
        return stream

    def _known(self, key: str) -> bool:
        """Whether it can be had: it is led, or still held, though not only by those who let go of it a moment later."""
        if key in self._streams or self.tables.leader(key):
            return True
        return self._ended.get(key, 0.0) < asyncio.get_running_loop().time() and bool(self.tables.replicas(key))

    def _hold(self, key: str) -> Stream:
        stream = self._streams[key] = Stream(
            key, self._config.stream, self._catalog, self._gossip, self._claims, self._relay, self._fanout,
            self._dropped, self._spawn,
        )  # fmt: skip
        return stream

    def _wanted(self, key: str) -> Stream:
        """The stream, fetched from now on if it is not held; where nobody has it, it is over already."""
        stream = self._streams.get(key)
        if stream is None:
            stream = self._hold(key)
            if not stream.follow():
                stream.drop("nobody has it")
        stream.needed_at = asyncio.get_running_loop().time()
        return stream

    def _dropped(self, key: str) -> None:
        now = asyncio.get_running_loop().time()
        self._ended = {ended: until for ended, until in self._ended.items() if until > now}
        if not self.tables.leads(key):
            self._ended[key] = now + self._config.stream.hold_s
        del self._streams[key]
        self._catalog.drop(key)

    def _heard(self, event: Event) -> None:
        """The tables have changed: wake those who wait for a stream, and follow a new leader."""
        if not isinstance(event, LeadChanged):
            return
        self._changed.set()
        self._changed = asyncio.Event()
        if stream := self._streams.get(event.stream):
            stream.heard()

    def _end(self, key: str) -> End | None:
        """Where this node's log of a stream ends."""
        stream = self._streams.get(key)
        return stream.end if stream else None

    async def _catch_up(self, key: str, ends: Mapping[str, End]) -> None:
        """This node is about to lead the stream, whose other logs end there."""
        if stream := self._streams.get(key):
            await stream.catch_up(ends)

    def _concede(self, key: str) -> None:
        """Another node takes the stream back."""
        if stream := self._streams.get(key):
            stream.concede()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.create_task(guarded(work))
