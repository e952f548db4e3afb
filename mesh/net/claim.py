"""Claims: publishes that are about to begin, announced so that of two at the same moment one gives way.

A claim is told to all and then held for as long as the others need to hear of it and to object. Who has begun already
wins; among claims the highest node id does, before any offset exists.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mesh.errors import StreamTaken
from mesh.gossip.member import Lead, LeadState, Status
from mesh.net.gossip import Gossip

CLAIM_MIN_S, CLAIM_MAX_S = 0.050, 0.150
"""Twice the longest round trip, within these: on a busy machine even a neighbour may hear 20 ms late."""
TRIES = 3
AWAY = {Status.SUSPECT, Status.UNREACHABLE, Status.DEAD, Status.LEFT}
"""Of a node in one of these nothing is to be had, and nothing to be respected."""


class Claims:
    """The claims of this node."""

    def __init__(self, gossip: Gossip) -> None:
        self._gossip = gossip
        self._open: set[str] = set()

    @asynccontextmanager
    async def claimed(self, key: str) -> AsyncIterator[None]:
        """Claim a stream, for the block to begin it; the claim is withdrawn if that fails. Raises `StreamError`."""
        if key in self._open:
            raise StreamTaken(f"{key} is being claimed here")
        self._open.add(key)
        try:
            self._gossip.lead(Lead(self._gossip.id, key, 0, LeadState.CLAIM))
            await self._objections()
            self._give_way(key)
            yield
        except BaseException:
            self._gossip.unlead(key)
            raise
        finally:
            self._open.discard(key)

    def _give_way(self, key: str) -> None:
        tables, me = self._gossip.tables, self._gossip.id
        for lead in tables.leads(key):
            rival = lead.node != me and tables.members[lead.node].status not in AWAY
            wins = lead.state == LeadState.LIVE or (lead.state == LeadState.CLAIM and lead.node > me)
            if rival and wins:
                raise StreamTaken(f"{key} is being published to {tables.display_name(lead.node)}")

    async def _objections(self) -> None:
        """Wait as long as objections may take; again if this node was so late itself that some may be unheard."""
        loop = asyncio.get_running_loop()
        rtts = [self._gossip.rtt_s(peer) for peer in self._gossip.tables.members if peer != self._gossip.id]
        wait = min(max(CLAIM_MIN_S, 2 * max(rtts, default=0)), CLAIM_MAX_S)
        for _ in range(TRIES):
            due = loop.time() + wait
            await asyncio.sleep(wait)
            if loop.time() < due + wait:
                return
