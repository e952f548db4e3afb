"""Membership: one node's part in the mesh, without sockets and without a clock.

Messages and the time go in (`receive`, `handle_timer`), messages and events come out (`messages_to_send`,
`next_event`); whoever drives it calls `handle_timer` at `get_timer`. Its parts are cut by subject: introductions,
suspicion, synchronization, links, farewell; they share the roster. A message is a sign of its sender and goes to the
one part it concerns, by a table.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from mesh.config import Address
from mesh.gossip.dialing import Dialing
from mesh.gossip.entry import encode_entry
from mesh.gossip.event import Event, Joined
from mesh.gossip.farewell import Farewell
from mesh.gossip.introduction import Introductions
from mesh.gossip.links import Links
from mesh.gossip.member import Card, Lead, Load, Replica, Status
from mesh.gossip.message import (
    OLDEST_PROTO,
    STATES,
    Age,
    AskAge,
    Beat,
    Bye,
    Dead,
    Delta,
    Hello,
    Known,
    Message,
    Ping,
    Pong,
    Pull,
    Refuse,
    Sender,
    Snap,
    Suspect,
    Sync,
    Welcome,
    You,
    check_beat,
)
from mesh.gossip.overlay import FullMesh, Overlay
from mesh.gossip.roster import Peer, Roster
from mesh.gossip.suspicion import LATE_S, Suspicion
from mesh.gossip.sync import Synchronization
from mesh.gossip.tables import Tables

JOIN_S = 1.5
"""For which a node waits for an answer, and then for what it was told of, before it goes on without."""
JITTER = 0.1
"""Of each heartbeat's period, so that nobody's beats fall together for long."""
QUESTIONS = (Pull, Sync, Ping, AskAge, Suspect)
"""Messages that are answered."""
PERIODS = (0.2, 20.0)
"""Seconds between beats that another node may announce."""


class Membership:
    """What one node knows, says and asks."""

    def __init__(
        self,
        card: Card,
        mesh: str,
        random: Random,
        now: float,
        load: Callable[[], Load] = Load,
        overlay: Overlay | None = None,
        oldest: int = OLDEST_PROTO,
    ) -> None:
        self._load = load
        self._started = now
        self._random = random
        self._roster = Roster(card, overlay or FullMesh(), random, now)
        self._dialing = Dialing(lambda id: self._introductions.in_touch(id), random, now)
        self._suspicion = Suspicion(self._roster, self._dialing, now)
        self._sync = Synchronization(self._roster, self._dialing)
        self.links = Links(self._roster)
        self._farewell = Farewell(self._roster, self._suspicion, self.links)
        self._introductions = Introductions(
            self._roster, self._dialing, self._suspicion, mesh, oldest, self._make_beat, self._answered
        )
        self._seq = 0
        self._state = Status.JOINING
        self._draining = False
        self._published = 0
        self._beat_at = now
        self._join_by = now + JOIN_S
        self._answers = 0
        self._strangers: dict[type, Callable[[Any, Sender, float], None]] = {
            Hello: self._introductions.hello,
            Welcome: self._introductions.welcome,
            Refuse: self._introductions.refuse,
            You: self._introductions.you,
        }
        self._peers: dict[type, Callable[[Peer, Any, float], object]] = {
            Beat: self._beat,
            Delta: self._sync.delta,
            Bye: self._farewell.bye,
            Suspect: self._accused,
            Dead: self._accused,
            Pull: self._sync.serve,
            Snap: self._sync.snap,
            Sync: self._sync.compare,
            Known: self._sync.known,
            Ping: self.links.answer,
            Pong: self.links.pong,
            AskAge: self._suspicion.ask_age,
            Age: self._suspicion.age,
        }
        self._roster.ledger.put(*encode_entry(card))

    @property
    def tables(self) -> Tables:
        """The mesh as this node sees it."""
        return self._roster.tables

    @property
    def joined(self) -> bool:
        return self._state is not Status.JOINING

    def digest(self) -> int:
        """Equal at two nodes that hold the same of everyone living."""
        return self._roster.digest()

    def route(self, id: str) -> Address | None:
        """Where a living peer's control socket answers."""
        peer = self._roster.peers.get(id)
        return peer.route if peer and peer.living else None

    def age_s(self, id: str, now: float) -> float | None:
        """For how long a living peer has given no sign of its own."""
        peer = self._roster.peers.get(id)
        return now - peer.pulse.heard if peer and peer.living else None

    def knows(self, sender: Sender) -> bool:
        """Whether this is a living peer, and the process that we have met."""
        peer = self._roster.peers.get(sender.id)
        return peer is not None and peer.living and peer.copy.boot == sender.boot

    def dial(self, addresses: Iterable[Address], now: float, kept: bool = False) -> None:
        """Try these addresses; for ever, if they are to be kept."""
        self._dialing.add(addresses, now, kept=kept)

    def put(self, entry: Card | Lead | Replica) -> None:
        """Publish or change a durable entry of this node. Raises `StreamError` when there are too many."""
        self._write(*encode_entry(entry))

    def delete(self, key: str) -> None:
        """Withdraw one."""
        self._write(key, None)

    def move(self, addresses: tuple[str, ...], now: float) -> None:
        """Say that this node has other addresses now."""
        self._introductions.move(addresses, now)

    def drain(self, on: bool, now: float) -> None:
        """Say whether this node wants to be rid of its clients."""
        self._draining = on
        self._say(now)

    def leave(self, now: float) -> None:
        """Tell all that this node goes away."""
        self._state = Status.LEFT
        self._roster.set_me(replace(self._roster.me, status=Status.LEFT))
        self._farewell.say()

    def receive(self, message: Message, sender: Sender, now: float) -> None:
        """Take a message. Raises `WireError` for one that makes no sense."""
        if self._state is Status.LEFT:
            return
        self._look_at_myself(now)
        if meet := self._strangers.get(type(message)):
            meet(message, sender, now)
        elif (peer := self._roster.peers.get(sender.id)) is None or peer.copy.boot != sender.boot:
            self._introductions.stranger(sender, now)
        elif peer.member.status is Status.LEFT:
            self._farewell.heard(peer, message, now)
        else:
            if not isinstance(message, QUESTIONS) or peer.allowance.take(now):
                self._peers[type(message)](peer, message, now)
            self._suspicion.heard(peer, now)
            if peer.route is None:
                self._introductions.seek(peer, sender.host, now)
        self._look_whether_joined(now)

    def disconnected(self, address: Address, now: float) -> None:
        """The connection to what is published there has closed."""
        for peer in self._roster.peers.values():
            if peer.subscribed == address:
                self._suspicion.disconnected(peer, now)

    def refused(self, id: str, now: float) -> None:
        """What `Knock` asked: yes, it does."""
        self._look_at_myself(now)
        if peer := self._roster.peers.get(id):
            self._suspicion.refused(peer, now)

    def get_timer(self) -> float:
        """When `handle_timer` is to be called next."""
        return min(self._beat_at, self._suspicion.due, self._sync.due, self._dialing.due, self._join_by)

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        self._look_at_myself(now)
        self._suspicion.tick(now)
        self._introductions.tick(now)
        self._sync.tick(now)
        self._look_whether_joined(now)
        if now >= self._beat_at:
            self._heartbeat(now)

    def messages_to_send(self, now: float) -> list[tuple[Address | None, Message]]:
        """Everything to be sent now, in order; to all where no address is given."""
        roster = self._roster
        if roster.ledger.version > self._published:
            for delta in roster.ledger.deltas(self._published) or ():
                roster.outbox.publish(delta)
            self._published = roster.ledger.version
        messages, roster.outbox.messages = roster.outbox.messages, []
        return messages

    def next_event(self) -> Event | None:
        """The next thing that happened, or None."""
        events = self._roster.outbox.events
        return events.popleft() if events else None

    def _write(self, key: str, value: bytes | None) -> None:
        ledger = self._roster.ledger
        if ledger.delete(key) if value is None else ledger.put(key, value):
            self._roster.show(self._roster.card.id, [(key, ledger.version, value)])

    def _look_at_myself(self, now: float) -> None:
        if now - self.get_timer() > LATE_S:
            self._suspicion.late(now)

    def _look_whether_joined(self, now: float) -> None:
        if not self.joined and (self._sync.complete or now >= self._join_by):
            self._state, self._join_by = Status.ALIVE, float("inf")
            self._roster.outbox.tell(Joined())
            self._say(now)

    def _answered(self, peer: Peer, now: float) -> None:
        if not self.joined and not self._answers:
            self._join_by = now + JOIN_S
        self._answers += 1
        self._sync.contact(peer, not self.joined, now)
        self._sync.pull(peer, now)
        self.links.ping(peer, now)

    def _say(self, now: float) -> None:
        """Tell a change of our own state at once, also to those who are about to subscribe."""
        if self.joined:
            self._state = Status.DRAINING if self._draining else Status.ALIVE
        self._roster.set_me(replace(self._roster.me, status=self._state))
        self._heartbeat(now)
        for peer in self._roster.living():
            self._roster.send(peer, self._make_beat(now))

    def _heartbeat(self, now: float) -> None:
        self._seq += 1
        me = replace(self._roster.me, load=self._load())
        self._roster.tables.set_member(me)
        self._roster.tick(now)
        beat = self.links.tell(self._make_beat(now), now)
        self._roster.outbox.publish(beat)
        self._beat_at = now + beat.period_ms / 1000 * self._random.uniform(1 - JITTER, 1 + JITTER)

    def _make_beat(self, now: float) -> Beat:
        roster = self._roster
        return Beat(
            seq=self._seq,
            period_ms=round(1000 * roster.period()),
            version=roster.ledger.version,
            digest=roster.digest(),
            state=STATES.index(self._state) if self._state in STATES else 0,
            uptime_ms=int(1000 * (now - self._started)),
            load=roster.me.load,
        )

    def _beat(self, peer: Peer, beat: Beat, now: float) -> None:
        check_beat(beat)
        least, most = PERIODS
        period = min(max(beat.period_ms / 1000, least), most)
        if peer.pulse.beat(beat.seq, period, now, self._suspicion.excuses(now)):
            self._roster.beat(peer, beat, now)
            self._sync.beat(peer, beat.version, beat.digest, now)

    def _accused(self, peer: Peer, accusation: Suspect | Dead, now: float) -> None:
        if accusation.id != self._roster.card.id:
            self._suspicion.suspect(peer, accusation, now)
        elif isinstance(accusation, Suspect):
            self._roster.send(peer, self._make_beat(now))
