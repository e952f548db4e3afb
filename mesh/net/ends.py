"""Ends: where the logs of a stream end on other nodes, asked of them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import SystemRandom

from mesh.gossip.entry import MAX_EPOCH
from mesh.gossip.member import Status
from mesh.media.frame import Kind
from mesh.net.gossip import Gossip
from mesh.relay.end import AskEnd, ToldEnd
from mesh.relay.message import MAX_MS
from mesh.stream.end import End

AWAY = {Status.SUSPECT, Status.UNREACHABLE, Status.DEAD, Status.LEFT}
"""Of a node in one of these nothing is to be had, and nothing to be respected."""
ANSWER_S = 0.3
"""How long an answer may take."""


class Inquiry:
    """One question to all who have a stream."""

    def __init__(self, asked: set[str]) -> None:
        self.told = asyncio.Event()
        """Set when all have answered."""
        self._missing = asked
        self._ends: dict[str, tuple[End, float]] = {}
        if not asked:
            self.told.set()

    def take(self, node: str, end: End, now: float) -> None:
        """An answer."""
        self._ends[node] = end, now
        self._missing.discard(node)
        if not self._missing:
            self.told.set()

    def ends(self, now: float) -> dict[str, End]:
        """The answers so far, by node, as they are by now."""
        return {
            node: replace(end, age_ms=end.age_ms + round(1000 * (now - then)))
            for node, (end, then) in self._ends.items()
        }


class Ends:
    """This node's questions, and its answers to those of others."""

    def __init__(self, gossip: Gossip, find: Callable[[str], End | None], concede: Callable[[str], None]) -> None:
        """`find` gives the end of this node's own log of a stream, where `concede` lets it stay."""
        self._gossip = gossip
        self._find = find
        self._concede = concede
        self._random = SystemRandom()
        self._open: dict[int, Inquiry] = {}
        gossip.on(AskEnd, self._asked)
        gossip.on(ToldEnd, self._answered)

    async def ask(self, stream: str, over: str = "") -> Mapping[str, End]:
        """The ends of the others' logs, by node; whoever does not answer in time is left out.

        The one `over` whom this node takes the stream writes no further, so that its end is the end.
        """
        tables, me = self._gossip.tables, self._gossip.id
        holders = {lead.node for lead in tables.leads(stream)} | {held.node for held in tables.replicas(stream)}
        holders.discard(me)
        expected = {node for node in holders if tables.members[node].status not in AWAY}
        nonce, loop = self._random.getrandbits(63), asyncio.get_running_loop()
        inquiry = self._open[nonce] = Inquiry(expected)
        try:
            for node in holders:
                self._gossip.send(node, AskEnd(stream, nonce, node == over))
            async with asyncio.timeout(ANSWER_S):
                await inquiry.told.wait()
        except TimeoutError:
            pass
        finally:
            del self._open[nonce]
        return inquiry.ends(loop.time())

    def _asked(self, sender: str, question: AskEnd) -> None:
        if question.over:
            self._concede(question.stream)
        if end := self._find(question.stream):
            answer = ToldEnd(question.nonce, end.epoch, tuple(end.last.items()), end.cts, end.age_ms)
            self._gossip.send(sender, answer)

    def _answered(self, sender: str, told: ToldEnd) -> None:
        # What begins after this end has to fit as well, and for long.
        times = (told.age_ms, *(dts for _, dts in told.last))
        sane = 0 <= told.epoch < MAX_EPOCH and all(0 <= ms < MAX_MS >> 2 for ms in times)
        if sane and (inquiry := self._open.get(told.nonce)):
            last = {kind: dts for kind, dts in told.last if kind in (Kind.AUDIO, Kind.VIDEO)}
            end = End(told.epoch, last, told.cts, told.age_ms)
            inquiry.take(sender, end, asyncio.get_running_loop().time())
