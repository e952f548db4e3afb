"""Relay: logs fetched from other nodes, and fed to them.

Control messages go over the peers' control channel, media over one PUSH for each follower to its one PULL.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Container
from functools import partial
from random import SystemRandom
from time import monotonic
from typing import NamedTuple

import zmq

from mesh.balance.deputy import deputy
from mesh.balance.idle import linger_s, shortcut
from mesh.balance.inflight import InFlight
from mesh.balance.supply import suppliers
from mesh.config import Config
from mesh.config.pattern import care_for
from mesh.errors import ConfigError, WireError
from mesh.net.alarm import Alarm
from mesh.net.door import Door
from mesh.net.fetch import Fetch, Peers
from mesh.net.push import PULL, Pushes
from mesh.net.sockets import Socket
from mesh.relay.feed import Source
from mesh.relay.follower import Follower
from mesh.relay.landing import Log
from mesh.relay.message import AskHead, Close, Credit, Gone, Head, LinkMessage, Moved, Open, Opened, unpack
from mesh.relay.state import State
from mesh.relay.supplier import Supplier

log = logging.getLogger("mesh.relay")

COUNTED = ("bytes", "frames", "skips", "losses")
UNREAD = 4 << 20
"""Bytes of media that all others together may have under way."""
TURN_S = 0.005
"""A pass yields to the loop after this long."""


class Traffic(NamedTuple):
    """What went over a link, for metrics."""

    stream: str
    peer: str
    direction: str
    """Either "in" or "out"."""
    bytes: int
    frames: int
    skips: int
    losses: int
    lag_ms: int


class Hop(NamedTuple):
    """How a stream comes into this node."""

    lag_ms: int = 0
    """How late its supplier sent it the newest frames."""
    skips: int = 0
    losses: int = 0


class Relay:
    """All streams that this node fetches from others, and feeds to them."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        peers: Peers,
        config: Config,
        find: Callable[[str], Source | None],
    ) -> None:
        """`find` gives this node's log of a stream."""
        self.dropped: Counter[str] = Counter()
        """Media that was not taken, requests that were not heeded and links that were lost, by reason."""
        self.brought: Counter[str] = Counter()
        """Bytes of media, by the node they came from."""
        self.sent = 0
        """Bytes of media to other nodes."""
        self._context = context
        self._peers = peers
        self._config = config
        self._supplier = Supplier(peers.id, find, self._path, self._feeder, self._priority, config.relay.lag_s)
        self._supplier.dropped = self.dropped
        self._promised = InFlight()
        self._fetched: Counter[str] = Counter()
        """What those fetches counted that are over."""
        self._alarm = Alarm(self._supplier, self._book)
        self._fetches: dict[str, Fetch] = {}
        self._random = SystemRandom()
        self._pull: Socket | None = None
        self._pushes = Pushes(
            context, peers.security.meter, peers.media_endpoint, peers.media_options, self._supplier.serves
        )
        self._pass: asyncio.Handle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen for media; return the port. Raises `ConfigError` if it cannot be had."""
        security = self._peers.security
        self._pull = Socket(self._context, zmq.PULL, self._take, PULL | security.serving())
        security.meter.watch(self._pull, UNREAD)
        Door(self._pull, security.sealed, security.troubles.note, security.meter.bars)
        try:
            port = self._pull.bind(host, port)
        except zmq.ZMQError as error:
            self._pull.close()
            raise ConfigError(f"mesh.listen: cannot listen on port {port} (media): {error}") from None
        for request in (Open, Credit, Close, AskHead):
            self._peers.on(request, self._ask_supplier)
        for reply in (Opened, Head, Moved, Gone):
            self._peers.on(reply, self._tell_fetch)
        self._pushes.tidy()
        return port

    async def stop(self) -> None:
        """Say goodbye and close all sockets."""
        for fetch in list(self._fetches.values()):
            fetch.close()
        self._supplier.close()
        self._settle()
        self._alarm.cancel()
        if self._pass:
            self._pass.cancel()
        self._pushes.close()
        if self._pull:
            self._pull.close()
            self._pull = None

    def suppliers(self, stream: str, besides: Container[str] = ()) -> tuple[str, ...]:
        """From whom this node can fetch a stream, best first."""
        return suppliers(stream, self._peers.tables, besides, self._config.balance)

    def fetch(self, stream: str, supplier: str, into: Log, changed: Callable[[Fetch, State], None]) -> Fetch:
        """Fetch a stream into a log, from this supplier until it brings nothing and another is ahead.

        If it is being fetched already, that is the fetch.
        """
        if old := self._fetches.get(stream):
            return old

        def report(fetch: Fetch, state: State) -> None:
            log.debug("= %s from %s is %s %s", stream, fetch.supplier, state, fetch.reason)
            if state is State.CLOSED:
                del self._fetches[stream]
                self._fetched.update({name: getattr(fetch.follower, name) for name in COUNTED})
            self._supplier.rerouted(stream)
            self._book()
            changed(fetch, state)

        others = partial(self._others, stream)
        follower = Follower(self._peers.id, stream, into, others, self._peers.rtt_s, self._random)
        follower.dropped = self.dropped
        fetch = self._fetches[stream] = Fetch(follower, self._peers, report)
        fetch.switch(supplier)
        return fetch

    def advanced(self, stream: str) -> None:
        """A log has new frames: feed them to those who follow it."""
        if self._supplier.feeds(stream):
            self._supplier.advanced(stream, monotonic())
            self._book()

    def ended(self, stream: str) -> None:
        """A log is held no more: nothing is fetched into it, and its followers are told."""
        if fetch := self._fetches.get(stream):
            fetch.close()
        self.advanced(stream)

    def move(self, stream: str, node: str) -> None:
        """Ask those who follow a stream from here to go on from another node; they are fed until they do."""
        self._supplier.move(stream, node)
        self._settle()

    def linger_s(self, stream: str, most: float) -> float:
        """How long a stream is fetched that nobody plays."""
        return linger_s(stream, self._peers.tables, most, self._config.balance)

    def step_aside(self, stream: str) -> int:
        """Ask those who follow a stream from here to go on past this node, if that costs less; how many follow it."""
        if self.feeds(stream) and (node := shortcut(stream, self._peers.tables, self._config.balance)):
            self.move(stream, node)
        return self.feeds(stream)

    def feeds(self, stream: str) -> int:
        """How many nodes follow a stream from here."""
        return self._supplier.feeds(stream)

    @property
    def links(self) -> list[Traffic]:
        """What went over each link so far."""
        now = asyncio.get_running_loop().time()
        followers = [fetch.follower for fetch in self._fetches.values()]
        return [
            *(Traffic(f.stream, f.supplier, "in", f.bytes, f.frames, f.skips, f.losses, f.lag_ms) for f in followers),
            *(
                Traffic(link.stream, link.peer, "out", link.bytes, link.frames, link.skips, 0, lag_ms)
                for link, lag_ms in self._supplier.lags(now)
            ),
        ]

    @property
    def totals(self) -> dict[tuple[str, str], int]:
        """What went over all links that ever were, by direction and name."""
        followers = [fetch.follower for fetch in self._fetches.values()]
        came = {name: self._fetched[name] + sum(getattr(f, name) for f in followers) for name in COUNTED}
        return {("in", name): came[name] for name in COUNTED} | {("out", n): self._supplier.total[n] for n in COUNTED}

    def hop(self, stream: str) -> Hop:
        """How a stream comes in; as if perfect where it does not."""
        fetch = self._fetches.get(stream)
        return Hop(fetch.follower.lag_ms, fetch.follower.skips, fetch.follower.losses) if fetch else Hop()

    def _others(self, stream: str) -> tuple[str, ...]:
        """Who may be further with a stream: its suppliers first, but also who seems unreachable, or fed from here."""
        tables = self._peers.tables
        known = dict.fromkeys((*self.suppliers(stream), *tables.holders(stream)))
        known.pop(self._peers.id, None)
        return tuple(node for node in known if tables.members[node].status.living)

    def _path(self, stream: str) -> tuple[str, ...]:
        fetch = self._fetches.get(stream)
        return (*(fetch.path if fetch else ()), self._peers.id)

    def _feeder(self, stream: str, follower: str) -> str:
        """Who is to feed a new follower."""
        tables, now = self._peers.tables, asyncio.get_running_loop().time()
        me, lead = tables.members[self._peers.id], tables.leader(stream)
        feeder = deputy(stream, follower, tables, self._promised.load(me, now), self._config.balance.limits)
        if feeder == me.id and lead:
            self._promised.send(me, 1000 * lead.kbps, now)
        return feeder

    def _priority(self, stream: str) -> int:
        return care_for(stream, self._config.stream.patterns).priority

    def _ask_supplier(self, sender: str, message: LinkMessage) -> None:
        if isinstance(message, Open):
            self._pushes.check(sender)
        self._supplier.receive(message, sender, asyncio.get_running_loop().time())
        self._book()

    def _tell_fetch(self, sender: str, message: LinkMessage) -> None:
        if fetch := self._fetches.get(message.stream):
            fetch.follower.receive(message, sender, asyncio.get_running_loop().time())
            fetch.settle()

    def _take(self, parts: list[zmq.Frame]) -> None:
        """A message of media."""
        try:
            media, run, frames = unpack([part.bytes for part in parts])
        except WireError as error:
            self.dropped["malformed"] += 1
            log.debug("< %s", error)
            return
        self._peers.security.meter.count(parts)
        fetch = self._fetches.get(media.stream)
        if fetch is None:
            self.dropped["unknown stream"] += 1
        elif (feeder := fetch.follower.feeder(media.link)) and not self._peers.security.proves(parts[0], feeder):
            self.dropped["forged"] += 1
        else:
            self.brought[feeder or fetch.supplier] += sum(map(len, parts))
            fetch.follower.receive_media(media, run, frames, asyncio.get_running_loop().time())
            fetch.settle()

    def _book(self) -> None:
        """Have a pass soon; any number of reasons make one, and a relay that is stopped makes none."""
        if self._pull and not self._pass:
            self._pass = asyncio.get_running_loop().call_soon(self._feed)

    def _feed(self) -> None:
        """A pass: hand to each follower what it lacks and may have."""
        self._pass = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        over = now + TURN_S
        while delivery := self._supplier.next_delivery(now):
            link, pack, parts = delivery
            if self._pushes.send(link.peer, parts, pack.size):
                self._supplier.sent(delivery, now)
                self.sent += pack.size
            else:
                self._supplier.blocked(delivery, now)
            now = loop.time()
            if now >= over:
                self._book()
                break
        self._settle()

    def _settle(self) -> None:
        """Act on what the supplier has come up with."""
        for peer, message in self._supplier.messages_to_send():
            self._peers.send(peer, message)
        self._alarm.set()
