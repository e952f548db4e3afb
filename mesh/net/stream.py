"""Stream: one stream that this node holds, where it comes from, and when it is let go.

It has one source: a publication (this node leads it), a fetch (it is a replica), or none any more (it is held, so that
players keep their connection while the publisher may come back).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from mesh.config import StreamConfig
from mesh.errors import StreamNotFound
from mesh.gossip.member import Lead, LeadState
from mesh.gossip.tables import Tables
from mesh.media.frame import Entry
from mesh.net.claim import Claims
from mesh.net.ends import AWAY
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.leadership import Leadership
from mesh.net.publication import Publication
from mesh.net.relay import Relay
from mesh.net.replica import Replication
from mesh.net.tasks import Spawn
from mesh.stream import resume
from mesh.stream.catalog import Catalog
from mesh.stream.end import End
from mesh.stream.rendition import Format, Rendition

log = logging.getLogger("mesh.stream")

ENTRY_S, STEP_S = 2.0, 0.02
"""How long a player who asks where it is waits for a place to start, and how often that is looked for."""
FLOWS_S = 0.3
"""A stream that had a frame in this time still has its source."""
SILENT_S = 1.0
"""From one that had none for so long nothing is expected."""


class Stream:
    """One stream that this node holds."""

    def __init__(
        self,
        key: str,
        config: StreamConfig,
        catalog: Catalog,
        gossip: Gossip,
        claims: Claims,
        relay: Relay,
        fanout: Fanout,
        dropped: Callable[[str], None],
        spawn: Spawn,
    ) -> None:
        """`dropped` is called, with the key, when it is held no more; `spawn` starts a task."""
        now = asyncio.get_running_loop().time()
        self.log = held = catalog.open(key)
        self.key = key
        self.needed_at = now
        """When somebody last played it, or was to."""
        self.awaited = 0
        """How many players wait for it to open."""
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
        self._replication = Replication(held, gossip, relay, self.opened, self.drop)
        self._leadership = Leadership(held, config, gossip, claims, catalog, self._replication, spawn)
        self._over = False
        self._put_off = False
        """Whether it may have to follow another leader."""
        self._parting: Sequence[Format] = ()
        """Whose players go at the next keyframe."""
        held.on_append = self._grown

    @property
    def publication(self) -> Publication | None:
        """The publication by which this node leads it."""
        return self._leadership.publication

    @property
    def end(self) -> End:
        """Where its log ends."""
        return self._leadership.end

    @property
    def players(self) -> int:
        """How many players read it here."""
        return sum(map(self._fanout.players, self._renditions.values()))

    @property
    def crowded(self) -> bool:
        """Whether it is not held because those who have it have no room for one more follower."""
        return self._replication.crowded

    def rendition(self, form: Format) -> Rendition:
        """The stream in this format, shared by all players who want it. Raises `StreamNotFound` once it was dropped."""
        if self._over:
            raise StreamNotFound(f"{self.key} has ended")
        if form not in self._renditions:
            self._renditions[form] = Rendition(self.log, form)
        return self._renditions[form]

    async def resumed(self, offset: str | None) -> Entry | None:
        """Where a player starts who says where it was, or asks where it is; None for all others, who say nothing.

        Raises `StreamError` if that is no position.
        """
        if offset is None:
            return None
        position = resume.read(offset)
        for _ in range(round(ENTRY_S / STEP_S)):
            if self.log.entry and not resume.ahead(self.log, position):
                break
            await asyncio.sleep(STEP_S)
        return resume.place(self.log, position)

    def publish(self, close: Callable[[str], None], ends: Mapping[str, End], over: str) -> Publication:
        """Lead it, in an epoch after all these, after it was claimed, maybe `over` another node that leads it.

        `close` hangs up on the publisher, saying why.
        """
        publication = self._leadership.publish(close, ends, over)
        self.opened.set()
        return publication

    def stand_by(self, close: Callable[[str], None]) -> Publication:
        """Have a publisher wait until he is needed. Raises `StreamTaken` if one publishes here already."""
        return self._leadership.stand_by(close)

    async def catch_up(self, ends: Mapping[str, End]) -> None:
        """Get what others have more of it; an aligned standby has that himself."""
        standby = self._leadership.standby
        if standby is None or standby.alignment.shift is None:
            await self._replication.catch_up(ends)

    async def take_over(self) -> None:
        """Let the publisher who waits here lead it. Raises `StreamError`."""
        await self._leadership.take_over(asked=True)

    def concede(self) -> None:
        """Another node takes it back: write no more until that has begun, or failed."""
        self._leadership.concede()

    def unpublish(self, publication: Publication) -> None:
        """The publisher has gone: hold what there is, for its players and for its return."""
        self._leadership.leave(publication)

    def part(self, *, directed: bool, at_once: bool = False) -> bool:
        """Let the players go at the next keyframe, or those only who can be told where to; or at once, as if silent.

        To be said again and again, until it is true: they have their end, and may still have to read up to it.
        """
        self._parting = [form for form in self._renditions if form.directed or not directed]
        if at_once or self._leadership.silent_s > SILENT_S:
            self._end_players(self.log.head, self._parting)
        return not any(self._fanout.players(self._renditions[form]) for form in self._parting)

    def stay(self) -> None:
        """Let no player go after all."""
        self._parting = ()

    @property
    def published(self) -> bool:
        """Whether somebody publishes it here, or waits to."""
        return bool(self._leadership.publication or self._leadership.standby)

    def reconnect(self) -> bool:
        """Ask whoever publishes it here to go on at another node; False if nobody can."""
        return self._leadership.reconnect()

    def send_off(self, reason: str) -> None:
        """Hang up on whoever publishes it here."""
        self._leadership.close(reason)

    def displace_ghost(self) -> None:
        """Hang up on a publisher who went silent, for the sake of one who speaks."""
        self._leadership.displace_ghost()

    def follow(self) -> bool:
        """Fetch it; False if nobody else has what this node lacks."""
        return self._replication.follow()

    def heard(self) -> None:
        """The tables have changed: follow a new leader, or settle with him."""
        lead = self._tables.leader(self.key)
        if self.publication:
            self._leadership.face_rivals()
        elif lead and lead.node != self._gossip.id:
            conflict = any(epoch.number == lead.epoch and epoch.leader != lead.node for epoch in self.log.epochs)
            self._put_off = self._contested(lead) or conflict
            if conflict and not self._rivals(lead):
                # Two began it at once, each before it heard of the other: this log never was the stream.
                self.drop(f"{self._tables.display_name(lead.node)} leads it in epoch {lead.epoch}")
            elif not self._put_off:
                self._replication.led(lead)

    def tend(self, now: float) -> None:
        """Tell the mesh how it is, see to its source, and drop it when nobody needs it any more."""
        if self.players or self.awaited or self._leadership.standby:
            self.needed_at = now
        self.needed_at = max(self.needed_at, min(now, self.kept_until))
        if self._tables.leads(self.key):
            self._led_at = now
        self._leadership.tend(now)
        if self._put_off:
            self.heard()
        if self.publication or self._over:
            return
        if now - self._led_at > self._config.hold_s:
            self.drop("its publisher did not come back")
        elif self._replication.fetching and self._lingered(now):
            self.drop("nobody plays it")
        else:
            self._replication.tend()

    def drop(self, reason: str) -> None:
        """Hold it no more; whoever still reads or writes it is told that it ended. A second time is no error."""
        if self._over:
            return
        log.info("%s is dropped: %s", self.key, reason)
        self._over = True
        self._dropped(self.key)
        self._leadership.close(reason)
        self._replication.stop()
        self._end_players(self.log.head, list(self._renditions))
        self._relay.ended(self.key)
        self._gossip.unreplicate(self.key)
        self.opened.set()

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables

    def _lingered(self, now: float) -> bool:
        """Whether nobody needs it any more, after those it feeds have been asked to go on from elsewhere."""
        idle_s = now - self.needed_at
        if idle_s <= self._relay.linger_s(self.key, self._config.linger_s):
            return False
        return not self._relay.step_aside(self.key)

    def _end_players(self, offset: int, forms: Sequence[Format]) -> None:
        """The stream ends here for those who play it in one of these; who comes later begins another."""
        self._parting = ()
        for rendition in [self._renditions.pop(form) for form in forms]:
            rendition.end(offset)
            self._fanout.end(rendition)

    def _contested(self, lead: Lead) -> bool:
        """Whether the leader that this node gets frames from will contest another, unless they have settled it."""
        mine = self.log.epochs[-1].leader if self.log.epochs else ""
        flows = self._leadership.silent_s < FLOWS_S
        return flows and mine != lead.over and any(rival.node == mine for rival in self._rivals(lead))

    def _rivals(self, lead: Lead) -> list[Lead]:
        """Who else leads it, and has a publisher."""
        others = [other for other in self._tables.leads(self.key) if other.node != lead.node]
        return [r for r in others if r.state == LeadState.LIVE and self._tables.members[r.node].status not in AWAY]

    def _grown(self) -> None:
        self._leadership.grown()
        if self._parting and self.log.entry and self.log.entry.offset == self.log.head - 1:
            self._end_players(self.log.entry.offset, self._parting)
        for rendition in self._renditions.values():
            self._fanout.advanced(rendition)
        self._relay.advanced(self.key)
