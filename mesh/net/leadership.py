"""Leadership: this node's part in who leads one stream: it does, it waits as standby, or neither."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from time import monotonic

from mesh.config import StreamConfig
from mesh.errors import StreamError, StreamNotFound, StreamTaken
from mesh.gossip.member import Lead, LeadState
from mesh.gossip.tables import LEADING, Tables
from mesh.net.claim import Claims
from mesh.net.ends import AWAY
from mesh.net.gossip import Gossip
from mesh.net.publication import GHOST_S, Publication
from mesh.net.replica import Replication
from mesh.net.rivals import Verdict, judge
from mesh.net.standby import Standby
from mesh.net.tasks import Spawn
from mesh.stream.catalog import Catalog
from mesh.stream.end import End, farthest
from mesh.stream.leader import Leader
from mesh.stream.log import StreamLog

log = logging.getLogger("mesh.stream")

CONTEST_S = 5.0
"""How long a rival may take to answer: connections take a while to recover from a cut."""
AGAIN_S = 0.25
"""After an attempt to take over that failed."""


class Leadership:
    """The publishers of one stream on this node: one that leads it, or one that waits."""

    def __init__(
        self,
        held: StreamLog,
        config: StreamConfig,
        gossip: Gossip,
        claims: Claims,
        catalog: Catalog,
        replication: Replication,
        spawn: Spawn,
    ) -> None:
        self.publication: Publication | None = None
        self.standby: Standby | None = None
        self._log = held
        self._key = held.key
        self._config = config
        self._gossip = gossip
        self._claims = claims
        self._catalog = catalog
        self._replication = replication
        self._spawn = spawn
        self._grown_at = asyncio.get_running_loop().time()
        """When the stream's last frame came, or its publisher."""
        self._acting = False
        """Whether it is about to take over, or to contest."""
        self._not_before = 0.0
        self._contesting: float | None = None
        """Since when it tries to reach a rival."""

    @property
    def end(self) -> End:
        """The end of this node's log."""
        return self._log.end(round(1000 * self.silent_s))

    @property
    def silent_s(self) -> float:
        """For how long the stream has had no frame here."""
        return asyncio.get_running_loop().time() - self._grown_at

    def grown(self) -> None:
        """The stream has had a frame."""
        self._grown_at = monotonic()  # the loop's time, without a system call to find the loop
        if self.standby:
            self.standby.ahead = 0

    def publish(self, close: Callable[[str], None], ends: Mapping[str, End], over: str) -> Publication:
        """Lead the stream, after it was claimed, in an epoch after all these; `close` hangs up on the publisher."""
        lead = self._lead(ends, over)
        leader = Leader(self._log, lead.epoch, lead.node, self._after(ends))
        self._grown_at = asyncio.get_running_loop().time()
        self.publication = Publication(leader, lead, self._grown_at, close)
        return self.publication

    def stand_by(self, close: Callable[[str], None]) -> Publication:
        """Take a publisher who is not needed now. Raises `StreamTaken` if there is one already."""
        if self.publication or self.standby:
            raise StreamTaken(f"{self._key} is published to this node already, and its standby belongs on another")
        lead = Lead(self._gossip.id, self._key, 0, LeadState.STANDBY)
        own = self._catalog.apart(self._key)
        now = asyncio.get_running_loop().time()
        publication = Publication(Leader(own, 1, lead.node), lead, now, close)
        self._wait(publication, own)
        return publication

    def concede(self) -> None:
        """A rival takes the stream back: write no more until he has begun, or failed."""
        if self.publication and not self._acting:
            self.publication.concede()

    def leave(self, publication: Publication) -> None:
        """A publisher has gone."""
        if publication is self.publication:
            self.publication = None
            self._replication.announce()
            self._gossip.unlead(self._key)
        elif self.standby and publication is self.standby.publication:
            self._dismiss()
            self._gossip.unlead(self._key)

    def displace_ghost(self) -> None:
        """Hang up on a publisher who went silent, for the sake of one who speaks."""
        now = asyncio.get_running_loop().time()
        for ghost in self._publications:
            ghost.beat(now, self._config.silence_s)
            if now - ghost.heard_at >= min(GHOST_S, self._config.silence_s):
                self.leave(ghost)
                ghost.close(f"silent for {now - ghost.heard_at:.1f} s, and published again")

    def reconnect(self) -> bool:
        """Ask the publishers to go on at another node; whether there is one who can."""
        return any([publication.reconnect() for publication in self._publications])

    def close(self, reason: str) -> None:
        """Hang up on the publishers."""
        for publication in self._publications:
            self.leave(publication)
            publication.close(reason)

    def tend(self, now: float) -> None:
        """Tell the mesh how it is."""
        if self.publication:
            self._tell(self.publication.beat(now, self._config.silence_s))
            self.face_rivals()
        elif self.standby and not self._acting:
            self._tell(self.standby.beat(now, self._config.silence_s))

    def face_rivals(self) -> None:
        """Settle with others who lead the stream too."""
        others = [lead for lead in self._tables.leads(self._key) if lead.node != self._gossip.id]
        members = self._tables.members
        rivals = [lead for lead in others if lead.state in LEADING and members[lead.node].status not in AWAY]
        if not rivals:
            self._contesting = None
        for rival in rivals:
            if self.publication and not self._acting:
                self._face(rival)

    async def take_over(self, asked: bool = False) -> None:
        """Let the standby lead: because the stream is lost, or because it is asked for. Raises `StreamError`."""
        self._acting = True
        try:
            self._waiting()
            lead = self._tables.leader(self._key)
            over = lead.node if lead else ""
            async with self._claims.claimed(self._key, heir=True, over=over) as ends:
                if lead and not asked and self._goes_on(ends, lead.node):
                    raise StreamTaken(f"{self._key} goes on elsewhere")
                self._promote(self._waiting(), ends)
        finally:
            self._acting = False
            self._not_before = asyncio.get_running_loop().time() + AGAIN_S
            if self.standby:
                self._tell(self.standby.publication.lead)

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables

    @property
    def _publications(self) -> list[Publication]:
        waiting = self.standby.publication if self.standby else None
        return [publication for publication in (self.publication, waiting) if publication]

    def _waiting(self) -> Standby:
        """The standby, which may have gone by now."""
        if self.standby is None:
            raise StreamNotFound(f"no publisher of {self._key} waits here")
        return self.standby

    def _face(self, rival: Lead) -> None:
        assert self.publication
        heard = asyncio.get_running_loop().time() - self.publication.heard_at < self._config.silence_s
        verdict = judge(self.publication.lead, heard, rival)
        if verdict is not Verdict.CONTEST:
            self._contesting = None
        if verdict is Verdict.YIELD:
            self._yield(self.publication, rival)
        elif verdict is Verdict.CONTEST:
            self._acting = True
            self._spawn(self._contest(self.publication, rival))

    async def _contest(self, publication: Publication, rival: Lead) -> None:
        """Take the stream back from a rival, above whatever both sides have; yield if it does not answer for long."""
        began = self._contesting = self._contesting or asyncio.get_running_loop().time()
        try:
            ends = await self._claims.contest(self._key, rival.node)
            if self.publication is not publication:
                return
            if rival.node in ends:
                publication.leader.resume()
                shift = self.end.shift(farthest(ends.values()))
                lead = self._lead(ends, rival.node)
                log.info("%s: taken back from %s", self._key, self._tables.display_name(rival.node))
                publication.leader.go_on(self._log, lead.epoch, lead.node, shift)
                publication.lead = lead
                self._contesting = None
            elif asyncio.get_running_loop().time() - began > CONTEST_S and rival.epoch > publication.lead.epoch:
                self._yield(publication, rival)
        finally:
            self._acting = False

    def _yield(self, publication: Publication, lead: Lead) -> None:
        """Another node leads it: wait, if that is wanted, or hang up."""
        reason = f"{self._tables.display_name(lead.node)} leads it in epoch {lead.epoch}"
        log.info("%s: %s", self._key, reason)
        if self._config.standby:
            self.publication = None
            own = self._catalog.apart(self._key)
            publication.leader.go_on(own, 1, self._gossip.id)
            self._wait(publication, own)
            self._replication.announce()
        else:
            self.leave(publication)
            publication.close(reason)
        self._replication.led(lead)

    def _wait(self, publication: Publication, own: StreamLog) -> None:
        self.standby = Standby(publication, own, self._log, self._look)
        self._tell(self.standby.beat(asyncio.get_running_loop().time(), self._config.silence_s))

    def _look(self) -> None:
        """The standby has a frame: does the stream still get any?"""
        assert self.standby
        led = self._tables.leader(self._key) is not None
        if self._acting or not self.standby.misses(self.silent_s, led):
            return
        if asyncio.get_running_loop().time() >= self._not_before:
            self._acting = True
            self._spawn(self._replace())

    async def _replace(self) -> None:
        try:
            await self.take_over()
        except StreamError as error:
            log.debug("%s is not taken over: %s", self._key, error)

    def _goes_on(self, ends: Mapping[str, End], leader: str) -> bool:
        """Whether somebody still gets the stream; a leader who answers may be silent for longer."""
        if leader in ends:
            return ends[leader].age_ms < 1000 * self._config.silence_s
        return any(end.age_ms < 1000 * self.silent_s * 2 / 3 for end in ends.values())

    def _promote(self, standby: Standby, ends: Mapping[str, End]) -> None:
        publication, before = standby.publication, self._tables.leader(self._key)
        standby.alignment.compare()
        shift = standby.alignment.shift
        # Where it goes on with the next frame there is nothing to contest, whether the leader knows or not.
        lead = self._lead(ends, before.node if before and shift is not None else "")
        if shift is None:
            log.info("%s: the standby takes over at its next keyframe", self._key)
            publication.leader.begin(self._log, lead.epoch, lead.node, self._after(ends))
        else:
            log.info("%s: the standby takes over", self._key)
            publication.leader.go_on(self._log, lead.epoch, lead.node, shift, standby.alignment.rest())
        self._dismiss()
        publication.lead = lead
        self.publication = publication

    def _dismiss(self) -> None:
        """Have no standby any more."""
        if self.standby:
            self.standby.close()
            self.standby = None

    def _lead(self, ends: Mapping[str, End], over: str = "") -> Lead:
        """Tell the mesh that this node leads the stream, in a new epoch, with the knowledge of who led it before."""
        tables = self._tables
        before = tables.leader(self._key)
        if not over and before and before.node in ends:
            over = before.node
        epoch = 1 + max(tables.epoch(self._key), self._after(ends).epoch)
        lead = Lead(self._gossip.id, self._key, epoch, LeadState.LIVE, over=over)
        self._gossip.lead(lead)
        self._replication.stop()
        self._gossip.unreplicate(self._key)
        return lead

    def _after(self, ends: Mapping[str, End]) -> End:
        return farthest([*ends.values(), self.end])

    def _tell(self, lead: Lead) -> None:
        try:
            if lead not in self._tables.leads(self._key):
                self._gossip.lead(lead)
        except StreamError as error:
            log.debug("not told to the mesh: %s", error)
