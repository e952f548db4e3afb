"""Claims: publishes that are about to begin, announced so that of two at the same moment one gives way.

A claim is told to all and then held for as long as the others need to hear of it and to object. Who has begun already
wins. Who comes gives way to who waits: a standby goes on with the next frame, a newcomer at a keyframe of his own. Of
two alike, before any offset exists, the one that was heard of before the other began wins, and else the higher node id.
Meanwhile those who hold the stream are asked where it ends, because that is where the next epoch begins. What this
node lacks before that it fetches first: once it has begun, all others follow it, and nobody would get that any more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from mesh.errors import StreamTaken
from mesh.gossip.member import Lead, LeadState
from mesh.net.ends import AWAY, Ends
from mesh.net.gossip import Gossip
from mesh.net.publication import GHOST_S
from mesh.stream.end import End

CLAIM_MIN_S, CLAIM_MAX_S = 0.050, 0.150
"""Twice the longest round trip, within these: on a busy machine even a neighbour may hear 20 ms late."""
TRIES = 3
FLOWS_S = 0.3
"""A stream that had a frame in this time still has its publisher, whether or not his node can be heard from here."""
FIRST = {
    LeadState.CLAIM: {LeadState.LIVE, LeadState.STANDBY, LeadState.HEIR},
    LeadState.HEIR: {LeadState.LIVE},
}
"""What goes before a claim of each kind, whosever it is."""


def goes_before(theirs: Lead, mine: Lead, known: bool) -> bool:
    """Whether a claim gives way to what another says; `known` is whether it was so before the claim was made."""
    alike = theirs.state == mine.state
    return theirs.state in FIRST[mine.state] or (alike and (known or theirs.node > mine.node))


class Claims:
    """The claims of this node."""

    def __init__(
        self, gossip: Gossip, ends: Ends, catch_up: Callable[[str, Mapping[str, End]], Awaitable[None]]
    ) -> None:
        """`catch_up` gets what other logs of a stream have more, given where they end, by node."""
        self._gossip = gossip
        self._ends = ends
        self._catch_up = catch_up
        self._open: set[str] = set()

    @asynccontextmanager
    async def claimed(self, key: str, heir: bool = False, over: str = "") -> AsyncIterator[Mapping[str, End]]:
        """Claim a stream, for the block to begin it where the other logs of it end, by node.

        `heir` says that a standby claims it; no matter if `over` leads, unless a newcomer comes and a publisher speaks
        there again. The claim is withdrawn if that fails. Raises `StreamError`.
        """
        if key in self._open:
            raise StreamTaken(f"{key} is being claimed here")
        claim = Lead(self._gossip.id, key, 0, LeadState.HEIR if heir else LeadState.CLAIM)
        self._give_way(claim, over, known=True)
        self._open.add(key)
        try:
            self._gossip.lead(claim)
            ends, _ = await asyncio.gather(self._ends.ask(key), self._objections())
            if over and not heir:
                ends = {**ends, **await self._ends.ask(key)}
                over = "" if _speaks(ends.get(over)) else over
            if _flow(ends) and self._lost(key, over):
                # Its publisher may have gone with his node just now.
                await asyncio.sleep(FLOWS_S)
                ends = await self._ends.ask(key)
            await self._catch_up(key, ends)
            self._give_way(claim, over, known=False, flows=_flow(ends))
            yield ends
        except BaseException:
            self._gossip.unlead(key)
            raise
        finally:
            self._open.discard(key)

    async def ghost(self, key: str) -> str:
        """Another node that leads a stream, if its publisher has gone silent; "" if there is none."""
        leads = (lead for lead in self._gossip.tables.leads(key) if lead.state == LeadState.LIVE)
        leaders = [lead.node for lead in leads if not self._away(lead)]
        if len(leaders) != 1 or leaders[0] == self._gossip.id:
            return ""
        end = (await self._ends.ask(key)).get(leaders[0])
        return leaders[0] if end and not _speaks(end) else ""

    async def contest(self, key: str, rival: str) -> Mapping[str, End]:
        """Where the other logs of a stream end, by node; that of a rival who leads it stays there for now."""
        return await self._ends.ask(key, rival)

    def _give_way(self, claim: Lead, over: str, known: bool, flows: bool = False) -> None:
        """Raise `StreamTaken` if another goes before; one who is away from here does where the stream still `flows`."""
        for lead in self._gossip.tables.leads(claim.stream):
            respected = flows or not self._away(lead)
            if respected and lead.node != over and goes_before(lead, claim, known):
                name = self._gossip.tables.display_name(lead.node)
                raise StreamTaken(f"{claim.stream} is being published to {name}")

    def _lost(self, key: str, over: str) -> bool:
        """Whether one leads it whose node is away."""
        leads = self._gossip.tables.leads(key)
        return any(lead.state == LeadState.LIVE and lead.node != over and self._away(lead) for lead in leads)

    def _away(self, lead: Lead) -> bool:
        return self._gossip.tables.members[lead.node].status in AWAY

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


def _speaks(end: End | None) -> bool:
    """Whether the publisher who writes there is no ghost."""
    return end is not None and end.age_ms < 1000 * GHOST_S


def _flow(ends: Mapping[str, End]) -> bool:
    """Whether somebody has just had a frame."""
    return any(end.last and end.age_ms < 1000 * FLOWS_S for end in ends.values())
