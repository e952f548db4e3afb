"""The node's streams: claimed for publishers, fetched for players, dropped when nobody needs them.

A stream that this node holds has one source: a publication (this node leads it), a fetch (it is a replica), or none
any more (it is held, so that players keep their connection while the publisher may come back).
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from mesh.balance.policy import Placement, Redirect, Refuse, Request, place
from mesh.config import Config
from mesh.errors import NoRoom, NotAllowed, StreamError, StreamNotFound, StreamTaken
from mesh.gossip.event import Event, LeadChanged
from mesh.gossip.member import Lead, LeadState, Replica, Status
from mesh.gossip.tables import Tables
from mesh.net.addresses import trusted
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

CLAIM_MIN_S, CLAIM_MAX_S = 0.020, 0.150
GHOST_S = 2.0
"""A publisher silent for this long yields to a newcomer: nobody is refused by his own ghost."""
OPEN_S = 5.0
"""How long a fetch may take to be answered before its players are refused."""
SWEEP_S = 0.25
AWAY = {Status.SUSPECT, Status.UNREACHABLE, Status.DEAD, Status.LEFT}
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
        self.left_at = now
        """When its source went away."""
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
        self._claims: set[str] = set()
        self._changed = asyncio.Event()
        self._gossip: Gossip
        self._relay: Relay

    def join(self, gossip: Gossip, relay: Relay) -> None:
        """Meet the mesh; before this no stream can be had."""
        self._gossip, self._relay = gossip, relay
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

    def find(self, key: str) -> StreamLog | None:
        """The log of a stream, for those who fetch it from here."""
        return self._catalog.get(key)

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
        self._displace_ghost(request.stream)
        return self._placed(request) or await self._claim(request.stream, close)

    def unpublish(self, key: str, publication: Publication) -> None:
        """The publisher has gone: hold what there is, for its players and for its return."""
        stream = self._streams.get(key)
        if stream is None or stream.publication is not publication:
            return
        stream.publication = None
        stream.left_at = asyncio.get_running_loop().time()
        self._gossip.replicate(Replica(self._gossip.id, key, publication.lead.epoch, "", ()))
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
            if stream.publication:
                stream.publication.close("the node is stopping")
            self._drop(stream)

    def _placed(self, request: Request) -> Redirect | None:
        """Where the client is sent; None if it is served here."""
        placement = self.place(request)
        if isinstance(placement, Refuse):
            raise REFUSALS[placement.status]("; ".join(placement.reasons))
        return placement if isinstance(placement, Redirect) else None

    async def _appears(self, key: str, wait_s: float) -> bool:
        """Whether some node has the stream, now or before `wait_s` seconds have passed."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while not self._known(key):
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return False
        return True

    async def _attach(self, key: str) -> Stream:
        """The stream, fetched from its leader if need be. Raises `StreamNotFound` if it cannot be had."""
        stream = self._streams.get(key)
        if stream is None:
            stream = self._hold(key)
            if not self._follow(stream):
                self._drop(stream)
        stream.needed_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(OPEN_S):
                await stream.opened.wait()
        except TimeoutError:
            raise StreamNotFound(f"{key} did not open within {OPEN_S:g} s") from None
        if self._streams.get(key) is not stream:
            raise StreamNotFound(f"{key} has ended")
        return stream

    async def _claim(self, key: str, close: Callable[[str], None]) -> Publication:
        """Announce a publish, hear whether somebody else does the same, and begin: the higher node id wins."""
        if key in self._claims:
            raise StreamTaken(f"{key} is being claimed here")
        self._claims.add(key)
        tables, me = self.tables, self._gossip.id
        claim = Lead(me, key, self._next_epoch(key), LeadState.CLAIM)
        self._gossip.lead(claim)
        try:
            await asyncio.sleep(self._claim_s())
            rivals = [lead for lead in tables.leads(key) if lead.node != me and not self._is_away(lead.node)]
            for lead in rivals:
                if lead.state == LeadState.LIVE or (lead.state == LeadState.CLAIM and lead.node > me):
                    raise StreamTaken(f"{key} is being published to {tables.display_name(lead.node)}")
        except BaseException:
            self._gossip.unlead(key)
            raise
        finally:
            self._claims.discard(key)
        return self._begin(key, replace(claim, state=LeadState.LIVE, epoch=self._next_epoch(key, me)), close)

    def _displace_ghost(self, key: str) -> None:
        """Hang up on a publisher of this node who went silent, for the sake of one who speaks."""
        stream = self._streams.get(key)
        if stream and (ghost := stream.publication):
            now = asyncio.get_running_loop().time()
            ghost.beat(now, self._config.stream.silence_s)
            if now - ghost.heard_at >= GHOST_S:
                self.unpublish(key, ghost)
                ghost.close(f"silent for {now - ghost.heard_at:.1f} s, and published again")

    def _is_away(self, node: str) -> bool:
        return self.tables.members[node].status in AWAY

    def _known(self, key: str) -> bool:
        return key in self._streams or bool(self.tables.leader(key) or self.tables.replicas(key))

    def _next_epoch(self, key: str, me: str = "") -> int:
        """One more than any that is known; the claim of `me` is not an epoch yet."""
        known = [lead.epoch for lead in self.tables.leads(key) if lead.node != me]
        known += [replica.epoch for replica in self.tables.replicas(key)]
        if held := self._catalog.get(key):
            known += [epoch.number for epoch in held.epochs]
        return 1 + max(known, default=0)

    def _claim_s(self) -> float:
        slowest = max((self._gossip.rtt_s(peer) for peer in self.tables.members if peer != self._gossip.id), default=0)
        return min(max(CLAIM_MIN_S, 2 * slowest), CLAIM_MAX_S)

    def _hold(self, key: str) -> Stream:
        now = asyncio.get_running_loop().time()
        stream = self._streams[key] = Stream(self._catalog.open(key), now)
        stream.log.on_append = lambda: self._grown(stream)
        return stream

    def _begin(self, key: str, lead: Lead, close: Callable[[str], None]) -> Publication:
        now = asyncio.get_running_loop().time()
        stream = self._streams.get(key) or self._hold(key)
        if stream.fetch:
            stream.fetch.close()
            stream.fetch = None
        leader = Leader(stream.log, lead.epoch, lead.node, away_ms=round((now - stream.left_at) * 1000))
        stream.publication = Publication(leader, lead, now, close)
        stream.opened.set()
        self._gossip.unreplicate(key)
        self._gossip.lead(lead)
        return stream.publication

    def _follow(self, stream: Stream) -> bool:
        """Fetch a stream from its leader, or from a replica if that is not heard; False if nobody else has it."""
        lead = self.tables.leader(stream.key)
        holders = [lead.node] if lead else []
        holders += [replica.node for replica in self.tables.replicas(stream.key)]
        suppliers = [node for node in holders if node != self._gossip.id and not self._is_away(node)]
        if not suppliers:
            return False
        stream.fetch = self._relay.fetch(
            stream.key, suppliers[0], stream.log, lambda fetch, state: self._fetched(stream, fetch, state)
        )
        return True

    def _fetched(self, stream: Stream, fetch: Fetch, state: State) -> None:
        if state == State.OPEN:
            epoch = stream.log.epochs[-1].number if stream.log.epochs else 0
            self._gossip.replicate(Replica(self._gossip.id, stream.key, epoch, fetch.supplier, fetch.path))
            stream.opened.set()
        elif state == State.GONE and stream.fetch is fetch:
            log.info("%s: %s is gone: %s", stream.key, self.tables.display_name(fetch.supplier), fetch.reason)
            stream.fetch = None
            stream.left_at = asyncio.get_running_loop().time()
            if not self._follow(stream):
                self._drop(stream)

    def _grown(self, stream: Stream) -> None:
        for rendition in stream.renditions.values():
            self._fanout.advanced(rendition)
        self._relay.advanced(stream.key)

    def _heard(self, event: Event) -> None:
        """The tables have changed: wake those who wait for a stream, and follow a new leader."""
        if not isinstance(event, LeadChanged):
            return
        self._changed.set()
        self._changed = asyncio.Event()
        key = event.stream
        stream, lead = self._streams.get(key), self.tables.leader(key)
        if stream is None or lead is None or lead.node == self._gossip.id:
            return
        if publication := stream.publication:
            if lead.state != LeadState.LIVE:
                return
            self.unpublish(key, publication)
            publication.close(f"{self.tables.display_name(lead.node)} leads it in epoch {lead.epoch}")
        if stream.fetch is None:
            self._follow(stream)
        elif lead.node not in (*stream.fetch.path, stream.fetch.supplier):
            stream.fetch.switch(lead.node)

    def _tend(self, stream: Stream, now: float) -> None:
        if self.players(stream) or self._relay.feeds(stream.key):
            stream.needed_at = now
        if publication := stream.publication:
            known = publication.lead
            if publication.beat(now, self._config.stream.silence_s) != known:
                self._gossip.lead(publication.lead)
        elif stream.fetch:
            supplier = self.tables.members.get(stream.fetch.supplier)
            if now - stream.needed_at > self._config.stream.linger_s:
                self._drop(stream)
            elif supplier is None or not supplier.status.living:
                stream.fetch.close()
                stream.fetch = None
                stream.left_at = now
                self._follow(stream)
        elif now - stream.left_at > self._config.stream.hold_s:
            self._drop(stream)

    def _drop(self, stream: Stream) -> None:
        """Hold it no more; whoever still reads it is told that it ended."""
        log.info("%s is dropped", stream.key)
        if stream.fetch:
            stream.fetch.close()
        for rendition in stream.renditions.values():
            self._fanout.end(rendition)
        del self._streams[stream.key]
        self._catalog.drop(stream.key)
        self._relay.ended(stream.key)
        self._gossip.unlead(stream.key)
        self._gossip.unreplicate(stream.key)
        stream.opened.set()
