"""Replica: how a stream that others lead comes into a log of this node, and what the mesh is told of it."""

import asyncio
import logging
from collections.abc import Callable

from mesh.errors import StreamError
from mesh.gossip.member import Lead, Replica
from mesh.gossip.tables import Tables
from mesh.net.claim import AWAY
from mesh.net.gossip import Gossip
from mesh.net.relay import Fetch, Relay
from mesh.relay.follower import State
from mesh.stream.log import StreamLog

log = logging.getLogger("mesh.stream")


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

    @property
    def fetching(self) -> bool:
        """Whether it has a source."""
        return self._fetch is not None

    def follow(self, besides: str = "") -> bool:
        """Fetch it from another than `besides`; False if nobody else has what this node lacks."""
        lead = self._tables.leader(self.key)
        holders = [lead.node] if lead else []
        if lead or not self._log.epochs:
            # Without a leader nobody has more than others, and they would follow each other in a ring.
            holders += [replica.node for replica in self._tables.replicas(self.key)]
        not_these = {self._gossip.id, besides}
        suppliers = [n for n in holders if n not in not_these and self._tables.members[n].status not in AWAY]
        if suppliers:
            self._fetch = self._relay.fetch(self.key, suppliers[0], self._log, self._fetched)
        return bool(suppliers)

    def led(self, lead: Lead) -> None:
        """Another node leads it: get it from there, sooner or later."""
        if self._fetch is None:
            self.follow()
        elif lead.node not in (*self._fetch.path, self._fetch.supplier):
            self._fetch.switch(lead.node)

    def stop(self) -> None:
        """Fetch it no more."""
        if self._fetch:
            self._fetch.close()
            self._fetch = None

    def tend(self) -> None:
        """See to its source, and tell the mesh how it is."""
        if self._fetch is None:
            self.follow()
        elif (supplier := self._tables.members.get(self._fetch.supplier)) is None or not supplier.status.living:
            self._lose(self._fetch)
        elif self._opened.is_set():
            self.announce()

    def announce(self) -> None:
        """Tell the mesh what this node has of a stream that it does not lead."""
        epoch = self._log.epochs[-1].number if self._log.epochs else 0
        supplier, path = (self._fetch.supplier, self._fetch.path) if self._fetch else ("", ())
        try:
            self._gossip.replicate(Replica(self._gossip.id, self.key, epoch, supplier, path))
        except StreamError as error:
            log.debug("not told to the mesh: %s", error)

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables

    def _fetched(self, fetch: Fetch, state: State) -> None:
        if state is State.OPEN:
            self.announce()
            self._opened.set()
        elif state is State.GONE and self._fetch is fetch:
            log.info("%s: %s is gone: %s", self.key, self._tables.display_name(fetch.supplier), fetch.reason)
            self._lose(fetch)

    def _lose(self, fetch: Fetch) -> None:
        """The supplier is no more: find another, or hold what there is."""
        self.stop()
        if not self.follow(besides=fetch.supplier):
            if self._log.epochs:
                self.announce()
            else:
                self._ended("nobody has it any more")
