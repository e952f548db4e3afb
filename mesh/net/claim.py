"""Claims: publishes that are about to begin, announced so that of two at the same moment one gives way.

A claim is told to all and then held for as long as the others need to hear of it and to object. Who has begun already
wins; among claims the highest node id does, before any offset exists. Meanwhile those who hold the stream are asked
where it ends, because that is where the next epoch begins.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from mesh.errors import StreamTaken
from mesh.gossip.member import Lead, LeadState
from mesh.net.ends import AWAY, Ends
from mesh.net.gossip import Gossip
from mesh.stream.end import End

CLAIM_MIN_S, CLAIM_MAX_S = 0.050, 0.150
"""Twice the longest round trip, within these: on a busy machine even a neighbour may hear 20 ms late."""
TRIES = 3


class Claims:
    """The claims of this node."""

    def __init__(self, gossip: Gossip, ends: Ends) -> None:
        self._gossip = gossip
        self._ends = ends
        self._open: set[str] = set()

    @asynccontextmanager
    async def claimed(self, key: str, over: str = "") -> AsyncIterator[Mapping[str, End]]:
        """Claim a stream, for the block to begin it where the other logs of it end, by node; no matter if `over` leads.

        The claim is withdrawn if that fails. Raises `StreamError`.
        """
        if key in self._open:
            raise StreamTaken(f"{key} is being claimed here")
        self._open.add(key)
        try:
            self._gossip.lead(Lead(self._gossip.id, key, 0, LeadState.CLAIM))
            ends, _ = await asyncio.gather(self._ends.ask(key), self._objections())
            self._give_way(key, over)
            yield ends
        except BaseException:
            self._gossip.unlead(key)
            raise
        finally:
            self._open.discard(key)

    async def ends(self, key: str) -> Mapping[str, End]:
        """Where the other logs of a stream end, by node."""
        return await self._ends.ask(key)

    def _give_way(self, key: str, over: str) -> None:
        tables, me = self._gossip.tables, self._gossip.id
        for lead in tables.leads(key):
            rival = lead.node not in (me, over) and tables.members[lead.node].status not in AWAY
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
