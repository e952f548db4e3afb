"""Replica: how a stream that others lead comes into a log of this node, and what the mesh is told of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from math import inf
from random import uniform

from mesh.errors import StreamError
from mesh.gossip.member import Lead, Replica, Status
from mesh.gossip.tables import Tables
from mesh.net.fetch import Fetch
from mesh.net.gossip import Gossip
from mesh.net.relay import Relay
from mesh.relay.message import Reason
from mesh.relay.state import State
from mesh.stream.end import End
from mesh.stream.log import StreamLog

log = logging.getLogger("mesh.stream")

LOST = {State.LOST, State.GONE}
"""A fetch in one of these brings nothing, until it has found another supplier."""
BETTER_S = 5.0, 10.0
"""For how long another supplier has to be the best to be adopted, drawn from here so that not all move at once."""
EMPTY_S = 2.0
"""For how long a node that got nothing yet says that it has the stream: perhaps no media can reach it."""
CATCH_UP_S, STEP_S = 0.3, 0.01
"""How long the end of the log may take to come from another node, and how often that is looked for."""
SHUN_S = 30.0
"""For how long a supplier that was left, for whatever reason, is not adopted as a better one."""


class Replication:
    """One stream that this node fetches, or could."""

    def __init__(
        self, held: StreamLog, gossip: Gossip, relay: Relay, opened: asyncio.Event, ended: Callable[[str], None]
    ) -> None:
        """`opened` is set when frames come; `ended` is called, with the reason, when nobody has the stream."""
        self.key = held.key
        self._log = held
        self._gossip = gossip
        self._relay = relay
        self._opened = opened
        self._ended = ended
        self._fetch: Fetch | None = None
        self.crowded = False
        """Whether the last that was asked had no room for one more follower."""
        self._since = asyncio.get_running_loop().time()
        """When it began."""
        self._source = ""
        """The node that fed it last."""
        self._better: tuple[str, float] = "", inf
        """The node that would be better than the supplier, and when to adopt it."""
        self._shunned: dict[str, float] = {}
        """Nodes that are not adopted, and until when."""

    @property
    def fetching(self) -> bool:
        """Whether it has a source."""
        return self._fetch is not None and self._fetch.state not in LOST

    def follow(self, besides: str = "") -> bool:
        """Fetch it from another than `besides`; False if nobody else has what this node lacks."""
        if self._log.epochs and not self._tables.leader(self.key):
            # Nobody leads it: the end of the log is with who is ahead, whom a fetch finds by itself.
            return False
        through = {replica.node: replica.path for replica in self._tables.replicas(self.key)}
        others = self._relay.suppliers(self.key, {besides})
        # Who is fed through it has lost it too, or turns out to be ahead. If only the way from here is lost, who has
        # nothing yet gets it from nobody else.
        found = [n for n in others if besides not in through.get(n, ())] or ([] if self._log.epochs else others)
        if found:
            self._from(found[0])
        return bool(found)

    def led(self, lead: Lead) -> None:
        """Another node leads it: get it from there, sooner or later."""
        if self._fetch is None or self._fetch.state in LOST:
            self.follow()
        elif lead.node not in (*self._fetch.path, self._fetch.supplier):
            self._fetch.switch(lead.node)

    async def catch_up(self, ends: Mapping[str, End]) -> None:
        """Get what the log that ends farthest has more, if that takes a moment only."""
        node = max(ends, key=lambda node: ends[node].reach, default="")
        if node and self._lacks(ends[node]):
            self._from(node)
            for _ in range(round(CATCH_UP_S / STEP_S)):
                await asyncio.sleep(STEP_S)
                if not self._lacks(ends[node]):
                    break

    def stop(self) -> None:
        """Fetch it no more."""
        if self._fetch:
            self._fetch.close()
            self._fetch = None

    def tend(self) -> None:
        """See to its source, and tell the mesh how it is."""
        fetch = self._fetch
        if fetch is None or fetch.state is State.GONE:
            self.follow()
        elif (supplier := self._tables.members.get(fetch.supplier)) is None or not supplier.status.living:
            self._lose(fetch)
        elif self._opened.is_set():
            self._improve(fetch)
            self.announce()

    def announce(self) -> None:
        """Tell the mesh what this node has of a stream that it does not lead, or is about to have."""
        epoch = self._log.epochs[-1].number if self._log.epochs else 0
        if not epoch and asyncio.get_running_loop().time() > self._since + EMPTY_S:
            self._gossip.unreplicate(self.key)
            return
        fetch = self._fetch if self._fetch and self._fetch.state not in LOST else None
        supplier, path = (fetch.supplier, fetch.path) if fetch else ("", ())
        try:
            self._gossip.replicate(Replica(self._gossip.id, self.key, epoch, supplier, path))
        except StreamError as error:
            log.debug("not told to the mesh: %s", error)

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables

    def _from(self, node: str) -> None:
        if self._fetch:
            self._fetch.switch(node)
        else:
            self._fetch = self._relay.fetch(self.key, node, self._log, self._fetched)

    def _lacks(self, end: End) -> bool:
        """Whether this node's log ends before that."""
        return self._log.end(0).reach < end.reach

    def _improve(self, fetch: Fetch) -> None:
        """Adopt a better supplier, one that is not better just for a moment; at once if this one is about to leave."""
        now = asyncio.get_running_loop().time()
        self._shunned = {node: until for node, until in self._shunned.items() if until > now}
        best = next(iter(self._relay.suppliers(self.key, self._shunned)), fetch.supplier)
        if fetch.state is not State.OPEN or best == fetch.supplier:
            self._better = "", inf
            return
        if best != self._better[0]:
            leaving = self._tables.members[fetch.supplier].status is Status.DRAINING
            self._better = best, now if leaving else now + uniform(*BETTER_S)
        if now >= self._better[1]:
            log.info("%s: %s is better than %s", self.key, *map(self._tables.display_name, (best, fetch.supplier)))
            fetch.switch(best)

    def _fetched(self, fetch: Fetch, state: State) -> None:
        if state is State.OPEN:
            if self._source != fetch.supplier:
                self._shunned[self._source] = asyncio.get_running_loop().time() + SHUN_S
                self._source = fetch.supplier
                log.info("%s: comes from %s", self.key, self._tables.display_name(fetch.supplier))
            self.announce()
            self._opened.set()
        elif state in LOST and self._fetch is fetch:
            name = self._tables.display_name(fetch.supplier)
            log.info("%s: %s is %s: %s", self.key, name, state, fetch.reason)
            self.crowded = fetch.reason == Reason.TOO_MANY
            self._lose(fetch)

    def _lose(self, fetch: Fetch) -> None:
        """The supplier is no more, or does not answer: fetch it from another, or hold what there is."""
        if self.follow(besides=fetch.supplier):
            return
        if self._log.epochs:
            self.announce()
        elif fetch.state is not State.LOST:
            self._ended("nobody has it any more")
