"""Drain: how a node gets rid of its clients so that they lose as little as can be.

Streams that have a standby elsewhere are handed to it, and nodes that fetch from here find other suppliers. Players who
can be told where to go on leave at the next keyframe, with the URL of another node; those of RTMP, who cannot, at the
one after that. Publishers are last, and are asked to reconnect if they can: what they sent is with the others by then,
and goes on wherever they come back.

All of it has one deadline. No phase takes more than a third of the time: streams may have no keyframes, and players may
take their end as slowly as they like; the publishers' time is kept for them.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf

from mesh.control.order import Verb
from mesh.gossip.member import LeadState
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.orders import Orders
from mesh.net.relay import Relay
from mesh.net.stream import Stream
from mesh.net.streams import Streams

log = logging.getLogger("mesh.drain")

STEP_S = 0.02
MOVE_S = 1.0
"""How long the nodes that are fed from here may take to find another supplier."""
RECONNECT_S = 3.0
"""How long publishers who can be asked to go on elsewhere may take to begin with a keyframe there."""
FLUSH_S = 0.5
"""How long they may take to get the last frames of a publisher who is sent away."""


class Drain:
    """What a node does to be rid of its clients."""

    def __init__(
        self, limit_s: float, gossip: Gossip, streams: Streams, relay: Relay, fanout: Fanout, orders: Orders
    ) -> None:
        """It takes `limit_s` at most."""
        self._running: asyncio.Task[None] | None = None
        self._limit_s = limit_s
        self._over_at = inf
        """When what is waited for now has to be over."""
        self._gossip = gossip
        self._streams = streams
        self._relay = relay
        self._fanout = fanout
        self._orders = orders

    def start(self) -> asyncio.Task[None]:
        """Begin, or go on; the task is done when nobody is left."""
        if self._running is None:
            self._gossip.drain(True)
            self._running = asyncio.create_task(self._run())
        return self._running

    async def stop(self) -> None:
        """Take clients again."""
        if self._running:
            await self.give_up()
            for stream in self._streams:
                stream.stay()
            self._gossip.drain(False)

    async def give_up(self) -> None:
        """Do nothing more about those who are left."""
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None

    async def _run(self) -> None:
        now, third_s = asyncio.get_running_loop().time(), self._limit_s / 3
        self._over_at = now + self._limit_s - min(RECONNECT_S + FLUSH_S, third_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(third_s):
                await asyncio.gather(*[self._hand_over(stream) for stream in self._streams])
        moving = [stream for stream in self._streams if not stream.publication]
        await self._until(lambda: not any(self._relay.feeds(stream.key) for stream in moving), MOVE_S)
        await self._part(directed=True)
        await self._part(directed=False)
        await self._until(lambda: not len(self._fanout))
        self._over_at = now + self._limit_s
        asked = [stream for stream in self._streams if stream.reconnect()]
        await self._until(lambda: not any(stream.published for stream in asked), min(RECONNECT_S, 0.9 * third_s))
        for stream in self._streams:
            stream.send_off("the node is draining")
        await self._until(self._fed, FLUSH_S)
        await self._until(lambda: not len(self._fanout))
        self._fanout.close("the node is draining")
        log.info("no clients are left")

    async def _hand_over(self, stream: Stream) -> None:
        """Let a standby on another node lead a stream that is led here."""
        if not stream.publication:
            return
        for node in self._standbys(stream.key):
            obeyed = await self._orders.give(node, Verb.SWITCH, stream.key)
            log.info("%s: %s", stream.key, obeyed.problem or f"{self._gossip.tables.display_name(node)} takes over")
            if not obeyed.problem:
                await self._until(lambda: not stream.publication, MOVE_S)
                return

    def _standbys(self, key: str) -> list[str]:
        """Who waits, first those who would lose no frame."""
        me = self._gossip.id
        leads = [lead for lead in self._gossip.tables.leads(key) if lead.state == LeadState.STANDBY and lead.node != me]
        return [lead.node for lead in sorted(leads, key=lambda lead: lead.over != me)]

    async def _part(self, *, directed: bool) -> None:
        """Let all players go, or all who can be told where to go on; some streams fall silent, or have no keyframes."""
        loop = asyncio.get_running_loop()
        until = min(loop.time() + self._limit_s / 3, self._over_at)

        def parted() -> bool:
            at_once = loop.time() >= until
            return all([stream.part(directed=directed, at_once=at_once) for stream in self._streams])

        await self._until(parted)

    def _fed(self) -> bool:
        """Whether all who fetch from here have everything."""
        return not any(link.lag_ms for link in self._relay.links if link.direction == "out")

    async def _until(self, done: Callable[[], bool], patience_s: float = inf) -> None:
        """Look again and again: those who leave tell nobody."""
        loop = asyncio.get_running_loop()
        until = min(loop.time() + patience_s, self._over_at)
        while True:
            over = loop.time() >= until
            if done() or over:
                break
            await asyncio.sleep(STEP_S)
