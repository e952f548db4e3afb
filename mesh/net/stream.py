"""Stream: one stream that this node holds, where it comes from, and when it is let go.

It has one source: a publication (this node leads it), a fetch (it is a replica), or none any more (it is held, so that
players keep their connection while the publisher may come back).
"""

import asyncio
import logging
from collections.abc import Callable

from mesh.config import StreamConfig
from mesh.errors import StreamError
from mesh.gossip.member import Lead, LeadState
from mesh.gossip.tables import Tables
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.publication import Publication
from mesh.net.relay import Relay
from mesh.net.replica import Replication
from mesh.stream.leader import Leader
from mesh.stream.log import StreamLog
from mesh.stream.rendition import Format, Rendition

log = logging.getLogger("mesh.stream")

GHOST_S = 2.0
"""A publisher silent for this long yields to a newcomer: nobody is refused by his own ghost."""


class Stream:
    """One stream that this node holds."""

    def __init__(
        self,
        held: StreamLog,
        config: StreamConfig,
        gossip: Gossip,
        relay: Relay,
        fanout: Fanout,
        dropped: Callable[[str], None],
    ) -> None:
        """`dropped` is called, with the key, when it is held no more."""
        now = asyncio.get_running_loop().time()
        self.log = held
        self.key = held.key
        self.publication: Publication | None = None
        self.needed_at = now
        """When somebody last read it."""
        self.kept_until = now
        """Until when it is needed, whoever reads it."""
        self.opened = asyncio.Event()
        """Set when it has frames, or will not get any."""
        self._config = config
        self._gossip = gossip
        self._relay = relay
        self._fanout = fanout
        self._dropped = dropped
        self._renditions: dict[Format, Rendition] = {}
        self._led_at = now
        """When somebody last led it, or claimed to."""
        self._grown_at = now
        """When its last frame came."""
        self._replication = Replication(held, gossip, relay, self.opened, self.drop)
        held.on_append = self._grown

    @property
    def players(self) -> int:
        """How many players read it here."""
        return sum(map(self._fanout.players, self._renditions.values()))

    def rendition(self, form: Format) -> Rendition:
        """The stream in this format, shared by all players who want it."""
        if form not in self._renditions:
            self._renditions[form] = Rendition(self.log, form)
        return self._renditions[form]

    def publish(self, close: Callable[[str], None]) -> Publication:
        """Lead it, after it was claimed, in a new epoch; `close` hangs up on the publisher, saying why."""
        now = asyncio.get_running_loop().time()
        lead = Lead(self._gossip.id, self.key, self._next_epoch(), LeadState.LIVE)
        self._gossip.lead(lead)
        self._replication.stop()
        leader = Leader(self.log, lead.epoch, lead.node, self.log.end(round((now - self._grown_at) * 1000)))
        self.publication = Publication(leader, lead, now, close)
        self.opened.set()
        self._gossip.unreplicate(self.key)
        return self.publication

    def unpublish(self, publication: Publication) -> None:
        """The publisher has gone: hold what there is, for its players and for its return."""
        if self.publication is publication:
            self.publication = None
            self._replication.announce()
            self._gossip.unlead(self.key)

    def displace_ghost(self) -> None:
        """Hang up on a publisher who went silent, for the sake of one who speaks."""
        if ghost := self.publication:
            now = asyncio.get_running_loop().time()
            ghost.beat(now, self._config.silence_s)
            if now - ghost.heard_at >= min(GHOST_S, self._config.silence_s):
                self.unpublish(ghost)
                ghost.close(f"silent for {now - ghost.heard_at:.1f} s, and published again")

    def follow(self) -> bool:
        """Fetch it; False if nobody else has what this node lacks."""
        return self._replication.follow()

    def yield_to(self, lead: Lead) -> None:
        """Another node leads it."""
        reason = f"{self._tables.display_name(lead.node)} leads it in epoch {lead.epoch}"
        if publication := self.publication:
            if lead.state != LeadState.LIVE:
                return
            self.unpublish(publication)
            publication.close(reason)
        if any(epoch.number == lead.epoch and epoch.leader != lead.node for epoch in self.log.epochs):
            # Two began it at once, each before it heard of the other: this log never was the stream.
            self.drop(reason)
        else:
            self._replication.led(lead)

    def tend(self, now: float) -> None:
        """Tell the mesh how it is, see to its source, and drop it when nobody needs it any more."""
        if self.players or self._relay.feeds(self.key):
            self.needed_at = now
        self.needed_at = max(self.needed_at, min(now, self.kept_until))
        if self._tables.leads(self.key):
            self._led_at = now
        if self.publication:
            self._tell(self.publication.beat(now, self._config.silence_s))
        elif now - self._led_at > self._config.hold_s:
            self.drop("its publisher did not come back")
        elif self._replication.fetching and now - self.needed_at > self._config.linger_s:
            self.drop("nobody plays it")
        else:
            self._replication.tend()

    def drop(self, reason: str) -> None:
        """Hold it no more; whoever still reads or writes it is told that it ended."""
        log.info("%s is dropped: %s", self.key, reason)
        self._dropped(self.key)
        if self.publication:
            self.publication.close(reason)
            self._gossip.unlead(self.key)
        self._replication.stop()
        for rendition in self._renditions.values():
            self._fanout.end(rendition)
        self._relay.ended(self.key)
        self._gossip.unreplicate(self.key)
        self.opened.set()

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables

    def _next_epoch(self) -> int:
        """One more than any that is known."""
        known = [lead.epoch for lead in self._tables.leads(self.key)]
        known += [replica.epoch for replica in self._tables.replicas(self.key)]
        return 1 + max(known + [epoch.number for epoch in self.log.epochs], default=0)

    def _grown(self) -> None:
        self._grown_at = asyncio.get_running_loop().time()
        for rendition in self._renditions.values():
            self._fanout.advanced(rendition)
        self._relay.advanced(self.key)

    def _tell(self, lead: Lead) -> None:
        try:
            self._gossip.lead(lead)
        except StreamError as error:
            log.debug("not told to the mesh: %s", error)
