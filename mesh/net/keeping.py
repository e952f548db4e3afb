"""Keeping: streams that are held where nobody plays them yet, because a leader or the API wants it."""

import asyncio
import re
from collections.abc import Mapping

from aiohttp import web

from mesh.balance.keeper import best_of, keepers
from mesh.balance.load import Limits
from mesh.config.pattern import Care, care_for
from mesh.control import reply
from mesh.control.keep import Keep
from mesh.errors import NoRoom, StreamNotFound
from mesh.gossip.tables import Tables
from mesh.net.gossip import Gossip
from mesh.net.orders import refuse_foreign
from mesh.net.stream import Stream
from mesh.net.streams import Streams
from mesh.net.terms import CORS, failure, refusals, stream_key
from mesh.net.tick import tick

ASK_S = 1.0
"""How often a leader chooses who keeps its streams, and tells them."""
KEEP_S = 5.0
"""For how long each time."""
BARREN_S = 10.0
"""Who holds nothing after this was asked in vain: perhaps no media can reach it."""
AGAIN_S = 60.0
"""When who was asked in vain is asked again."""
PRELOAD_S = 60
"""For how long the API has one kept, if it does not say."""


class Keeping:
    """What this node keeps for others, and has others keep."""

    def __init__(self, patterns: Mapping[str, Care], limits: Limits, gossip: Gossip, streams: Streams) -> None:
        """`limits` say from when on a node has no room for more."""
        self._patterns = patterns
        self._limits = limits
        self._gossip = gossip
        self._streams = streams
        self._asked: dict[str, dict[str, float]] = {}
        """Who is asked to keep a stream and holds nothing of what there is, and since when."""
        gossip.on(Keep, lambda sender, message: streams.keep(message.stream, message.seconds))

    async def run(self) -> None:
        """Have this node's streams kept, until cancelled."""
        while True:
            now = asyncio.get_running_loop().time()
            own = [stream for stream in self._streams if stream.publication]
            self._asked = {stream.key: self._have_kept(stream, now) for stream in own}
            await tick(ASK_S)

    def routes(self) -> list[web.RouteDef]:
        """For the application's router, before those of the media."""
        return [web.post("/api/v1/streams/{stream:.+}/preload", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """Have a stream kept where its players are about to come."""
        refuse_foreign(request)
        query, stream = request.query, stream_key(request.match_info["stream"])
        seconds = query.get("seconds") or f"{PRELOAD_S}"
        if not re.fullmatch("[1-9][0-9]{0,4}", seconds):
            raise failure(400, f"seconds={seconds[:20]}, expected a number from 1 to 99999")
        if not query.keys() & {"node", "zone"}:
            raise failure(400, "expected node=NAME or zone=ZONE")
        with refusals():
            node = self.preload(stream, query.get("node", ""), query.get("zone", ""), int(seconds))
        body = reply.body(reply.Told(node, "preload", stream))
        return web.Response(text=body, content_type="application/json", headers=CORS)

    def preload(self, stream: str, node: str, zone: str, seconds: float) -> str:
        """Have a stream kept by the node of this name, or one of a zone; return its name. Raises `StreamError`."""
        tables = self._tables
        if not (tables.leader(stream) or tables.replicas(stream)):
            raise StreamNotFound(f"no node has {stream}")
        named = tables.by_name(node)
        if node and named is None:
            raise StreamNotFound(f"no node {node!r}")
        members = [named] if named else [tables.members[id] for id in tables.zones.get(zone, ())]
        me = tables.members[tables.me]
        keeper = me if me in members else best_of(stream, tables, members, self._limits)
        if keeper is None:
            raise NoRoom(f"{node} has no room" if node else f"no node of zone {zone!r} has room")
        if keeper is me:
            self._streams.keep(stream, seconds)
        else:
            self._gossip.send(keeper.id, Keep(stream, seconds))
        return tables.display_name(keeper.id)

    def _have_kept(self, stream: Stream, now: float) -> dict[str, float]:
        """Ask its keepers; return who holds nothing yet, though there is something, and since when."""
        key = stream.key
        holding = {replica.node for replica in self._tables.replicas(key) if replica.epoch and replica.supplier}
        asked = {node: at for node, at in self._asked.get(key, {}).items() if now < at + AGAIN_S}
        barren = {node for node, at in asked.items() if now > at + BARREN_S and node not in holding}
        for node in keepers(key, self._tables, care_for(key, self._patterns), self._limits, barren):
            self._gossip.send(node, Keep(key, KEEP_S))
            if stream.log.entry:
                asked.setdefault(node, now)
        return {node: at for node, at in asked.items() if node not in holding}

    @property
    def _tables(self) -> Tables:
        return self._gossip.tables
