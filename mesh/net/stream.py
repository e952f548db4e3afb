"""The node's streams: claimed for publishers, fetched for players, dropped when nobody needs them.

A stream that this node holds has one source: a publication (this node leads it), a fetch (it is a replica), or none
any more (it is held, so that players keep their connection while the publisher may come back).
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from mesh.balance.policy import Placement, Redirect, Refuse, Request, place
from mesh.config import Config
from mesh.errors import NoRoom, NotAllowed, StreamError, StreamNotFound, StreamTaken
from mesh.gossip.event import Event, LeadChanged
from mesh.gossip.member import Lead, LeadState, Replica
from mesh.gossip.tables import Tables
from mesh.net.addresses import trusted
from mesh.net.claim import AWAY, Claims
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.publication import Publication
from mesh.net.relay import Fetch, Relay
from mesh.relay.follower import State
from mesh.stream.catalog import Catalog
from mesh.stream.leader import Leader
from mesh.stream.log import StreamLog
from mesh.stream.rendition import Format, Rendition

log = logging.getLogger("mesh.stream")

GHOST_S = 2.0
"""A publisher silent for this long yields to a newcomer: nobody is refused by his own ghost."""
OPEN_S = 5.0
"""How long a fetch may take to be answered before its players are refused."""
SWEEP_S = 0.25
REFUSALS: dict[int, type[StreamError]] = {404: StreamNotFound, 409: StreamTaken, 503: NoRoom}


class Stream:
    """One stream that this node holds."""

    def __init__(self, held: StreamLog, now: float) -> None:
        self.log = held
        self.key = held.key
        self.renditions: dict[Format, Rendition] = {}
        self.publication: Publication | None = None
        self.fetch: Fetch | None = None
        self.needed_at = now
        """When somebody last read it."""
        self.led_at = now
        """When it was last known to have a leader."""
        self.grown_at = now
        """When its last frame came."""
        self.opened = asyncio.Event()
        """Set when it has frames, or will not get any."""

    def rendition(self, form: Format) -> Rendition:
        """The stream in this format, shared by all players who want it."""
        if form not in self.renditions:
            self.renditions[form] = Rendition(self.log, form)
        return self.renditions[form]


class Streams:
    """All streams that this node holds."""

    def __init__(self, config: Config, catalog: Catalog, fanout: Fanout) -> None:
        self._config = config
        self._open = config.mesh.insecure or bool(config.mesh.secret_file)
        self._catalog = catalog
        self._fanout = fanout
        self._streams: dict[str, Stream] = {}
        self._changed = asyncio.Event()
        self._gossip: Gossip
        self._relay: Relay
        self._claims: Claims

    def join(self, gossip: Gossip, relay: Relay) -> None:
        """Meet the mesh; before this no stream can be had."""
        self._gossip, self._relay, self._claims = gossip, relay, Claims(gossip)
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

    def players(self, stream: Stream) -> int:
        """How many players read a stream here."""
        return sum(map(self._fanout.players, stream.renditions.values()))

    def place(self, request: Request) -> Placement:
        """Where a client goes, and why."""
        return place(replace(request, redirect=request.redirect and self._config.balance.redirect), self.tables)

    async def play(self, request: Request, wait_s: float = 0) -> Stream | Redirect:
        """The stream, here or elsewhere. Raises `StreamError` if nobody can serve it."""
        await self._gossip.joined.wait()
        await self._appears(request.stream, wait_s)
        return self._placed(request) or await self._attach(request.stream)

    async def publish(self, request: Request, client: str, close: Callable[[str], None]) -> Publication | Redirect:
        """Claim a stream for a client, by its address, and begin the stream's next epoch.

        Raises `StreamError` if it is live anywhere, nobody has room, or the client is not trusted.
        """
        if not (self._open or trusted(client)):
            raise NotAllowed(f"{client} is a public address, and this mesh has no secret")
        await self._gossip.joined.wait()
        key = request.stream
        self._displace_ghost(key)
        if elsewhere := self._placed(request):
            return elsewhere
        if key not in self._streams and self.tables.replicas(key):
            # What others still hold of it goes on here: the new epoch continues that log, and its clock.
            self._fetch(key)
        async with self._claims.claimed(key):
            return self._begin(key, close)

    def unpublish(self, key: str, publication: Publication) -> None:
        """The publisher has gone: hold what there is, for its players and for its return."""
        stream = self._streams.get(key)
        if stream is None or stream.publication is not publication:
            return
        stream.publication = None
        self._announce(stream)
        self._gossip.unlead(key)

    async def run(self) -> None:
        """Look after the streams until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            for stream in self:
                self._tend(stream, loop.time())

    def close(self) -> None:
        """Let go of all of them: players are told that the stream ended."""
        for stream in self:
            self._drop(stream, "the node is stopping")

    def _placed(self, request: Request) -> Redirect | None:
        """Where the client is sent; None if it is served here."""
        placement = self.place(request)
        if isinstance(placement, Refuse):
            raise REFUSALS[placement.status]("; ".join(placement.reasons))
        return placement if isinstance(placement, Redirect) else None

    async def _appears(self, key: str, wait_s: float) -> None:
        """Wait until some node has the stream, but no longer than `wait_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._known(key):
                    await self._changed.wait()

    async def _attach(self, key: str) -> Stream:
        """The stream, fetched if need be. Raises `StreamNotFound` if it cannot be had."""
        stream = self._streams.get(key) or self._fetch(key)
        stream.needed_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(OPEN_S):
                await stream.opened.wait()
        except TimeoutError:
            raise StreamNotFound(f"{key} did not open within {OPEN_S:g} s") from None
        if self._streams.get(key) is not stream:
            raise StreamNotFound(f"{key} has ended")
        return stream

    def _displace_ghost(self, key: str) -> None:
        """Hang up on a publisher of this node who went silent, for the sake of one who speaks."""
        stream = self._streams.get(key)
        if stream and (ghost := stream.publication):
            now, silence_s = asyncio.get_running_loop().time(), self._config.stream.silence_s
            ghost.beat(now, silence_s)
            if now - ghost.heard_at >= min(GHOST_S, silence_s):
                self.unpublish(key, ghost)
                ghost.close(f"silent for {now - ghost.heard_at:.1f} s, and published again")

    def _known(self, key: str) -> bool:
        return key in self._streams or bool(self.tables.leader(key) or self.tables.replicas(key))

    def _next_epoch(self, stream: Stream) -> int:
        """One more than any that is known."""
        known = [lead.epoch for lead in self.tables.leads(stream.key)]
        known += [replica.epoch for replica in self.tables.replicas(stream.key)]
        return 1 + max(known + [epoch.number for epoch in stream.log.epochs], default=0)

    def _hold(self, key: str) -> Stream:
        now = asyncio.get_running_loop().time()
        stream = self._streams[key] = Stream(self._catalog.open(key), now)
        stream.log.on_append = lambda: self._grown(stream)
        return stream

    def _begin(self, key: str, close: Callable[[str], None]) -> Publication:
        """Lead a stream that was claimed, in a new epoch."""
        now = asyncio.get_running_loop().time()
        stream = self._streams.get(key) or self._hold(key)
        lead = Lead(self._gossip.id, key, self._next_epoch(stream), LeadState.LIVE)
        self._gossip.lead(lead)
        if stream.fetch:
            stream.fetch.close()
            stream.fetch = None
        leader = Leader(stream.log, lead.epoch, lead.node, away_ms=round((now - stream.grown_at) * 1000))
        stream.publication = Publication(leader, lead, now, close)
        stream.opened.set()
        self._gossip.unreplicate(key)
        return stream.publication

    def _fetch(self, key: str) -> Stream:
        """Begin to fetch a stream; where nobody has it, it is over already."""
        stream = self._hold(key)
        if not self._follow(stream):
            self._drop(stream, "nobody has it")
        return stream

    def _follow(self, stream: Stream, besides: str = "") -> bool:
        """Fetch a stream from another than `besides`; False if nobody else has what this node lacks."""
        lead = self.tables.leader(stream.key)
        holders = [lead.node] if lead else []
        if lead or not stream.log.epochs:
            # Without a leader nobody has more than others, and they would follow each other in a ring.
            holders += [replica.node for replica in self.tables.replicas(stream.key)]
        not_these = {self._gossip.id, besides}
        suppliers = [n for n in holders if n not in not_these and self.tables.members[n].status not in AWAY]
        if suppliers:
            stream.fetch = self._relay.fetch(
                stream.key, suppliers[0], stream.log, lambda fetch, state: self._fetched(stream, fetch, state)
            )
        return bool(suppliers)

    def _fetched(self, stream: Stream, fetch: Fetch, state: State) -> None:
        if state is State.OPEN:
            self._announce(stream)
            stream.opened.set()
        elif state is State.GONE and stream.fetch is fetch:
            log.info("%s: %s is gone: %s", stream.key, self.tables.display_name(fetch.supplier), fetch.reason)
            self._lose(stream, fetch)

    def _lose(self, stream: Stream, fetch: Fetch) -> None:
        """The supplier is no more: find another, or hold what there is."""
        fetch.close()
        stream.fetch = None
        if not self._follow(stream, besides=fetch.supplier):
            if stream.log.epochs:
                self._announce(stream)
            else:
                self._drop(stream, "nobody has it any more")

    def _announce(self, stream: Stream) -> None:
        """Tell the mesh what this node has of a stream that it does not lead."""
        epoch = stream.log.epochs[-1].number if stream.log.epochs else 0
        supplier, path = (stream.fetch.supplier, stream.fetch.path) if stream.fetch else ("", ())
        self._tell(Replica(self._gossip.id, stream.key, epoch, supplier, path))

    def _tell(self, entry: Lead | Replica) -> None:
        try:
            if isinstance(entry, Lead):
                self._gossip.lead(entry)
            else:
                self._gossip.replicate(entry)
        except StreamError as error:
            log.debug("not told to the mesh: %s", error)

    def _grown(self, stream: Stream) -> None:
        stream.grown_at = asyncio.get_running_loop().time()
        for rendition in stream.renditions.values():
            self._fanout.advanced(rendition)
        self._relay.advanced(stream.key)

    def _heard(self, event: Event) -> None:
        """The tables have changed: wake those who wait for a stream, and follow a new leader."""
        if not isinstance(event, LeadChanged):
            return
        self._changed.set()
        self._changed = asyncio.Event()
        stream, lead = self._streams.get(event.stream), self.tables.leader(event.stream)
        if stream and lead and lead.node != self._gossip.id:
            self._yield(stream, lead)

    def _yield(self, stream: Stream, lead: Lead) -> None:
        """Another node leads the stream."""
        reason = f"{self.tables.display_name(lead.node)} leads it in epoch {lead.epoch}"
        if publication := stream.publication:
            if lead.state != LeadState.LIVE:
                return
            self.unpublish(stream.key, publication)
            publication.close(reason)
        if any(epoch.number == lead.epoch and epoch.leader != lead.node for epoch in stream.log.epochs):
            # Two began it at once, each before it heard of the other: this log never was the stream.
            self._drop(stream, reason)
        elif stream.fetch is None:
            self._follow(stream)
        elif lead.node not in (*stream.fetch.path, stream.fetch.supplier):
            stream.fetch.switch(lead.node)

    def _tend(self, stream: Stream, now: float) -> None:
        if self.players(stream) or self._relay.feeds(stream.key):
            stream.needed_at = now
        if self.tables.leader(stream.key):
            stream.led_at = now
        if stream.publication:
            self._tell(stream.publication.beat(now, self._config.stream.silence_s))
        elif now - stream.led_at > self._config.stream.hold_s:
            self._drop(stream, "its publisher did not come back")
        elif stream.fetch and now - stream.needed_at > self._config.stream.linger_s:
            self._drop(stream, "nobody plays it")
        else:
            self._tend_fetch(stream)

    def _tend_fetch(self, stream: Stream) -> None:
        if stream.fetch is None:
            self._follow(stream)
        elif (supplier := self.tables.members.get(stream.fetch.supplier)) is None or not supplier.status.living:
            self._lose(stream, stream.fetch)
        elif stream.opened.is_set():
            self._announce(stream)

    def _drop(self, stream: Stream, reason: str) -> None:
        """Hold it no more; whoever still reads or writes it is told that it ended."""
        log.info("%s is dropped: %s", stream.key, reason)
        del self._streams[stream.key]
        if stream.publication:
            stream.publication.close(reason)
        if stream.fetch:
            stream.fetch.close()
        for rendition in stream.renditions.values():
            self._fanout.end(rendition)
        self._catalog.drop(stream.key)
        self._relay.ended(stream.key)
        self._gossip.unlead(stream.key)
        self._gossip.unreplicate(stream.key)
        stream.opened.set()
