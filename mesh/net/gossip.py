"""Gossip: a membership on real sockets, with what it needs to find others and to remember them."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from random import Random
from typing import Any

import zmq

from mesh.config import Address, Config, read_secrets
from mesh.control.cause import Cause
from mesh.errors import ConfigError
from mesh.gossip.entry import LEAD, REPLICA
from mesh.gossip.event import (
    Event,
    Joined,
    Knock,
    LeadChanged,
    MemberChanged,
    Raised,
    Refused,
    ReplicaChanged,
    Subscribe,
    Superseded,
    Unsubscribe,
)
from mesh.gossip.member import Card, Lead, Load, Replica
from mesh.gossip.membership import Membership
from mesh.gossip.message import PROTO, Message, Sender
from mesh.gossip.tables import Tables
from mesh.net.alarm import Alarm
from mesh.net.discovery import Discovery
from mesh.net.knock import refuses
from mesh.net.ports import free_ports
from mesh.net.security import Options, Security
from mesh.net.state import State
from mesh.net.tasks import guarded
from mesh.net.whereabouts import Whereabouts
from mesh.net.wires import Wires

log = logging.getLogger("mesh.gossip")

TIDY_S = 10.0
"""Between two looks at what is idle, and at what is new and worth remembering."""
TOLD = MemberChanged | LeadChanged | ReplicaChanged | Superseded
"""The events that watchers get."""


class Gossip:
    """This node's place in the mesh."""

    def __init__(
        self,
        config: Config,
        state: State,
        context: zmq.Context[zmq.Socket[bytes]],
        rtmp: int,
        http: int,
        load: Callable[[], Load] = Load,
    ) -> None:
        """`rtmp` and `http` are the ports where this node serves its clients; `load` tells how busy it is."""
        self.id = state.id
        self.joined = asyncio.Event()
        """Set when the tables are complete, or there is nobody to complete them from."""
        self.security = Security(state, read_secrets(config), config.mesh.insecure)
        """Who may connect; also to other sockets of this context that nodes connect to each other."""
        self._config, self._state, self._context = config, state, context
        self._clients, self._load = (rtmp, http), load
        self._whereabouts = Whereabouts(config.mesh)
        self._membership: Membership
        self._wires: Wires
        self._alarm: Alarm
        self._tasks: asyncio.TaskGroup
        self._callbacks: dict[type, Callable[[str, Any], None]] = {}
        self._watchers: list[Callable[[Event], None]] = []
        self._flushing = False
        self._acts: dict[type, Callable[[Any], None]] = {
            Joined: lambda event: self.joined.set(),
            Subscribe: lambda event: self._wires.subscribe(event.address),
            Unsubscribe: lambda event: self._wires.unsubscribe(event.address),
            Knock: lambda event: self._spawn(self._knock(event)),
            Raised: lambda event: self._state.remember(incarnation=event.incarnation),
            Refused: self._refused,
            Superseded: lambda event: log.error("another process runs with this node's identity, and is newer"),
        }

    @property
    def rejected(self) -> int:
        """Messages that made no sense, or were too many."""
        return self._wires.rejected.total()

    @property
    def tables(self) -> Tables:
        """The mesh as this node sees it."""
        return self._membership.tables

    @property
    def card(self) -> Card:
        """Who this node is, and where."""
        return self.tables.members[self.id].card

    async def start(self) -> None:
        """Listen, and begin to look for others. Raises `ConfigError` if a port is taken."""
        me = Sender(self.id, secrets.token_hex(8))
        self._wires = Wires(self._context, self.security, me, self._receive, self._disconnected, self._dial)
        try:
            card = self._make_card(me.boot, *self._bind())
        except ConfigError:
            self._wires.close()
            self._state.close()
            raise
        self._membership = Membership(card, self._config.mesh.name, Random(), self._now(), self._load)
        self.carry({})
        self._alarm = Alarm(self._membership, self._flush, self._now)
        self._running = asyncio.create_task(self._run())
        self._remember()
        self._flush()

    async def stop(self) -> None:
        """Say goodbye, and close."""
        self._running.cancel()
        self._membership.leave(self._now())
        self._flush()
        self._flushing = True  # nothing leaves any more
        self._remember()
        self._alarm.cancel()
        self._wires.close()
        await asyncio.wait([self._running])
        self._state.close()

    def watch(self, callback: Callable[[Event], None]) -> None:
        """Call this with every event of the membership."""
        self._watchers.append(callback)

    def on(self, message_type: type, callback: Callable[[str, Any], None]) -> None:
        """Hand messages of this type, and the ids of their senders, to `callback`."""
        self._callbacks[message_type] = callback

    def lead(self, lead: Lead) -> None:
        """Publish, at once, that this node leads a stream. Raises `StreamError` if it publishes too much already."""
        self._membership.put(lead)
        self._flush()

    def unlead(self, stream: str) -> None:
        """Publish that it does not any more."""
        self._membership.delete(LEAD + stream)
        self._flush()

    def replicate(self, replica: Replica) -> None:
        """Publish, at once, that this node holds a copy of a stream. Raises `StreamError`."""
        self._membership.put(replica)
        self._flush()

    def unreplicate(self, stream: str) -> None:
        """Publish that it does not any more."""
        self._membership.delete(REPLICA + stream)
        self._flush()

    def drain(self, on: bool) -> None:
        """Tell all whether this node wants to be rid of its clients."""
        self._membership.drain(on, self._now())
        self._flush()

    def carry(self, bps: Mapping[str, int]) -> None:
        """Note what streams from each peer bring at present, and what the wall clock shows."""
        self._membership.links.epoch_ms = 1000 * (time.time() - self._now())
        self._membership.links.carry(bps)

    def send(self, peer: str, message: Any) -> bool:
        """Send a message to one node; False if there is no way to it."""
        route = self.route(peer)
        return route is not None and self._wires.send(route, message, self._now())

    def route(self, peer: str) -> Address | None:
        """Where a living peer's control socket has answered."""
        return self._membership.route(peer)

    def age_s(self, peer: str) -> float | None:
        """For how long a living peer has given no sign of its own."""
        return self._membership.age_s(peer, self._now())

    def media_endpoint(self, peer: str) -> str | None:
        """Where a peer's PULL is bound; None if it has not been reached."""
        route, member = self.route(peer), self.tables.members.get(peer)
        return f"tcp://{Address(route.host, member.card.media)}" if route and member else None

    def media_options(self, peer: str) -> Options:
        """What to show there; changes when the mesh goes over to another secret."""
        route = self.route(peer)
        return self._wires.dialling(route) if route else self.security.dialling()

    def rtt_s(self, peer: str) -> float:
        """The round trip to a peer; 0 until it is measured."""
        link = self.tables.members[self.id].links.get(peer)
        return link.rtt_ms / 1000 if link else 0.0

    def _now(self) -> float:
        return time.monotonic()  # uvloop's clock is the same, but in whole milliseconds: round trips are shorter

    def _bind(self) -> tuple[int, int, int]:
        """Take the ports for control, gossip and media; the last is for others to bind. Raises `ConfigError`."""
        host, _ = Address.parse(self._config.mesh.listen)
        control, gossip, media = free_ports(self._config)
        try:
            return *self._wires.bind(host, control, gossip), media
        except zmq.ZMQError as error:
            raise ConfigError(f"mesh.listen: cannot listen on ports {control} and {gossip}: {error}") from None

    def _make_card(self, boot: str, control: int, gossip: int, media: int) -> Card:
        state, zone = self._state, self._config.node.zone
        return Card(
            state.id, state.name, zone, boot, state.incarnation, self._whereabouts.addresses,
            control, gossip, media, *self._clients, PROTO,
        )  # fmt: skip

    def _receive(self, message: Any, sender: Sender) -> None:
        """Take one message; the membership's, or another part's if it comes from a member."""
        if isinstance(message, Message):
            self._membership.receive(message, sender, self._now())
            self._flush()
        elif (callback := self._callbacks.get(type(message))) and self._membership.knows(sender):
            callback(sender.id, message)

    def _refused(self, refused: Refused) -> None:
        cause = Cause.MESH if refused.reason.startswith("this is mesh") else Cause.PROTOCOL
        self.security.troubles.note(Address.parse(refused.address), cause, refused.reason)

    def _disconnected(self, address: Address) -> None:
        self._membership.disconnected(address, self._now())
        self._flush()

    def _flush(self) -> None:
        """Send what is to be sent and do what is to be done, until there is no more; then set the alarm."""
        if self._flushing:
            return
        self._flushing = True
        try:
            while self._send_all() or self._act_on_all():
                pass
        finally:
            self._flushing = False
        self._alarm.set()

    def _send_all(self) -> bool:
        messages = self._membership.messages_to_send(self._now())
        for address, message in messages:
            if address:
                self._wires.send(address, message, self._now())
            else:
                self._wires.publish(message)
        return bool(messages)

    def _act_on_all(self) -> bool:
        acted = False
        while event := self._membership.next_event():
            acted = True
            if act := self._acts.get(type(event)):
                act(event)
            if isinstance(event, TOLD):
                for watcher in self._watchers:
                    watcher(event)
        return acted

    async def _run(self) -> None:
        """What goes on beside messages and timers."""
        async with asyncio.TaskGroup() as self._tasks:
            self._spawn(Discovery(self._config.mesh, self._state, self.tables, self._dial).run())
            self._spawn(self._whereabouts.run(self._moved))
            while True:
                await asyncio.sleep(TIDY_S)
                self._wires.close_idle(self._now())
                self._remember()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.create_task(guarded(work))

    def _moved(self, addresses: tuple[str, ...]) -> None:
        """This host has other addresses."""
        if {*self.card.addresses} - {*addresses}:
            self._wires.redial()
        self._membership.move(addresses, self._now())
        self._flush()

    def _dial(self, addresses: Iterable[Address], kept: bool = False) -> None:
        self._membership.dial(addresses, self._now(), kept)
        self._flush()

    def _remember(self) -> None:
        """Keep what the next start, and this host's other nodes, want to know."""
        mesh, host = self._config.mesh.name, Address.parse(self._config.mesh.listen).host or "127.0.0.1"
        peers = [route for id in self.tables.members if (route := self.route(id))]
        self._state.remember_mesh(mesh, [Address(host, self.card.control)], peers or self._state.peers(mesh))

    async def _knock(self, knock: Knock) -> None:
        if await refuses(knock.address):
            self._membership.refused(knock.id, self._now())
            self._flush()
