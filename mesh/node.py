"""Node: builds the parts, joins them, starts and stops them in order."""

import asyncio
import logging
import socket
from collections.abc import Callable
from random import SystemRandom

import zmq
from aiohttp import web

from mesh.config import Address, Config
from mesh.control.message import Held
from mesh.control.order import Verb
from mesh.control.url import node_url
from mesh.errors import ConfigError, IdentityTaken, StreamNotFound
from mesh.gossip.allowance import Allowance
from mesh.gossip.event import Event, MemberChanged, Superseded
from mesh.gossip.member import Status
from mesh.net.api import Api
from mesh.net.descriptor import raise_limit, shortage
from mesh.net.doctor import Doctor
from mesh.net.drain import Drain
from mesh.net.fanout import Fanout
from mesh.net.gossip import Gossip
from mesh.net.health import HTTP, RTMP, Check, Health, answers, disk, passes
from mesh.net.http import Media, runner
from mesh.net.intake import Intake
from mesh.net.keeping import Keeping
from mesh.net.listen import BACKLOG, listen, port_of
from mesh.net.load import Counts, LoadMeter
from mesh.net.metrics import Metrics
from mesh.net.orders import Orders
from mesh.net.relay import Relay
from mesh.net.rtmp import Server, Spawn
from mesh.net.sockets import end
from mesh.net.state import State
from mesh.net.streams import Streams
from mesh.net.survey import Survey
from mesh.stream.catalog import Catalog

log = logging.getLogger("mesh.node")

FAREWELL_S = 1.0
"""For which stopping waits for players who have not got all of the stream yet."""
STEP_S = 0.05
NEWS = 0.5, 100
"""Comings and goings that are logged in a second, and at once: where there are more, nobody would read them."""


class Node:
    """One member of the mesh, whole."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._leaving = asyncio.Event()
        self._stopping = asyncio.Event()
        self._superseded = False
        self._news = Allowance(*NEWS, 0.0)

    def drain(self) -> None:
        """Take nobody new, and stop when nobody is left or `node.drain_s` is over; called again, stop now."""
        if self._leaving.is_set():
            self.stop()
        self._leaving.set()

    def stop(self) -> None:
        """Stop now."""
        self._leaving.set()
        self._stopping.set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Run until told to stop. Raises `ConfigError` if what the configuration asks for cannot be had."""
        config = self.config
        patience = config.limits.player_lag_s
        raise_limit()
        with (
            listen("rtmp.listen", config.rtmp.listen, "rtmp.listen" not in config.given, patience) as rtmp,
            listen("http.listen", config.http.listen, "http.listen" not in config.given, patience) as http,
        ):
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            try:
                self._build(context, port_of(rtmp), port_of(http))
                await self._meet()
                await self._run(rtmp, http, on_ready)
            finally:
                end(context)
        if self._superseded:
            raise IdentityTaken(f"node.data_dir: another node runs with a copy of {self.gossip.id}'s directory")

    def _build(self, context: zmq.Context[zmq.Socket[bytes]], rtmp: int, http: int) -> None:
        config = self.config
        self.fanout = Fanout(config.egress, config.limits.player_lag_s)
        self.catalog = Catalog(config.cache)
        self.streams = Streams(config, self.catalog, self.fanout)
        self._health = Health()
        self._state = State.open(config)
        self.gossip = Gossip(config, self._state, context, rtmp, http, lambda: self._load.load)
        ill, usable = (lambda: self._health.ill), (lambda: self._health.usable)
        self._load = LoadMeter(self._counts, ill, usable, config.node.capacity, self.gossip.carry)
        self.relay = Relay(context, self.gossip, config, self.catalog.get)
        self._intake = Intake(self.fanout)
        self._rtmp = Server(self.streams, self.fanout, self._intake, SystemRandom())

    async def _run(self, rtmp: socket.socket, http: socket.socket, on_ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self._serve(rtmp, http, tasks.create_task)
            health = self._health.run(*self._checks(rtmp, http))
            work = (self._load.run(), health, self.fanout.sweep(), self.streams.run(), self.keeping.run())
            chores = [tasks.create_task(chore) for chore in work]
            on_ready()
            try:
                await self._leaving.wait()
                await self._send_away()
            finally:
                await self._stop()
                for chore in chores:
                    chore.cancel()

    async def _meet(self) -> None:
        """Listen for other nodes, and begin to look for them."""
        await self.gossip.start()
        try:
            await self.relay.start(Address.parse(self.config.mesh.listen).host, self.gossip.card.media)
        except ConfigError:
            await self.gossip.stop()
            raise
        self.streams.join(self.gossip, self.relay)
        self.keeping = Keeping(self.config.stream.patterns, self.config.balance.limits, self.gossip, self.streams)

    async def _serve(self, rtmp: socket.socket, http: socket.socket, spawn: Spawn) -> None:
        tables, random = self.gossip.tables, SystemRandom()
        metrics = Metrics(self.gossip, self.catalog, self.fanout, self.relay, self.streams.balance)
        survey, doctor = Survey(self.gossip, self._held, random), Doctor(self.config.mesh, self.gossip, random, spawn)
        api = Api(tables, survey, doctor, self.streams.balance, self._unready, metrics.text)
        orders = Orders(self.gossip, self._obey, random, spawn)
        self._drain = Drain(self.config.node.drain_s, self.gossip, self.streams, self.relay, self.fanout, orders)
        media = Media(self.streams, self.fanout, self._intake)
        self._http = runner([*orders.routes(), *self.keeping.routes(), *api.routes(), *media.routes()])
        self._intake.start()
        await self._http.setup()
        await web.SockSite(self._http, http, backlog=BACKLOG).start()
        self.gossip.watch(self._heard)
        await self.gossip.joined.wait()
        await self._rtmp.start(rtmp, spawn)

    async def _obey(self, verb: Verb, key: str) -> None:
        """Do what an operator says. Raises `StreamError`."""
        if verb is Verb.DRAIN:
            self._drain.start()
        elif verb is Verb.UNDRAIN and not self._leaving.is_set():
            await self._drain.stop()
        elif verb is Verb.SWITCH and (stream := self.streams.get(key)):
            await stream.take_over()
        else:
            raise StreamNotFound("the node is stopping" if self._leaving.is_set() else f"{key} is not here")

    async def _send_away(self) -> None:
        """Wait until no client is left, for as long as they may take."""
        if not self._stopping.is_set():
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([self._drain.start(), stopping], return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()

    async def _stop(self) -> None:
        """End what is served here, so that it goes on elsewhere, then leave."""
        await self._drain.give_up()
        self.gossip.drain(True)
        self.streams.close()
        for _ in range(round(min(self.config.node.drain_s, FAREWELL_S) / STEP_S)):
            if self._stopping.is_set() or not len(self.fanout):
                break
            await asyncio.sleep(STEP_S)
        await self._rtmp.stop()
        await self._http.cleanup()
        self.fanout.close("the node is stopping")
        self._intake.stop()
        await self.relay.stop()
        await self.gossip.stop()

    def _counts(self) -> Counts:
        relay, received, players = self.relay, self.catalog.budget.taken, len(self.fanout)
        relays = sum(link.direction == "out" for link in relay.links)
        return Counts(players, len(self.streams), relays, received, self.fanout.sent + relay.sent, relay.brought)

    def _checks(self, rtmp: socket.socket, http: socket.socket) -> tuple[list[Check], list[Check]]:
        """Of what this node may fall ill, and of what it may have too little."""
        listeners = answers("rtmp.listen", rtmp, RTMP), answers("http.listen", http, HTTP)
        waiting = passes(lambda: self.fanout.full, self.config.egress.pass_max_ms)
        return [disk(self._state.directory), *listeners], [shortage, waiting]

    def _unready(self) -> str:
        if self.gossip.tables.members[self.gossip.id].status is Status.DRAINING:
            return "draining"
        return "" if self.gossip.joined.is_set() else "joining"

    @property
    def greeting(self) -> str:
        """Where to publish and where to watch, in a few lines for people."""
        me = self.gossip.tables.members[self.gossip.id]
        host = next(iter(me.card.addresses), "127.0.0.1")
        rtmp, http = (node_url(me, scheme, self.gossip.tables, host) for scheme in ("rtmp", "http"))
        return (
            f"{me.name} is a node of {self.config.mesh.name!r}\n"
            f"  publish  {rtmp}/live/NAME  (OBS: server {rtmp}/live, stream key NAME)\n"
            f"  watch    {http}/watch/live/NAME  or {http}/live/NAME.flv, {rtmp}/live/NAME\n"
            f"  nodes    {http}/  (this one has met {self._met()})"
        )

    def _met(self) -> str:
        tables = self.gossip.tables
        names = [tables.display_name(m.id) for m in tables.listed() if m.id != tables.me and m.status.living]
        return ", ".join(sorted(names)) or "nobody yet"

    def _heard(self, event: Event) -> None:
        """Log who comes and goes; go, if somebody else goes by our id."""
        if isinstance(event, Superseded):
            self._superseded = True
            self.stop()
        elif isinstance(event, MemberChanged) and event.id != self.gossip.id:
            before, member = event.old, event.new
            if member and member.status != Status.JOINING and (before is None or before.status != member.status):
                name = self.gossip.tables.display_name(event.id)
                level = logging.INFO if self._news.take(asyncio.get_running_loop().time()) else logging.DEBUG
                log.log(level, "%s is %s", f"{name} at {member.address}" if member.address else name, member.status)

    def _held(self, key: str) -> list[Held]:
        """What this node holds, for a survey."""
        held = [self.streams.get(key)] if key else list(self.streams)
        return [Held(s.key, s.log.head, s.players, *self.relay.hop(s.key)) for s in held if s]
