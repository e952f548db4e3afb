"""Roster: this node and the peers it has met, and the tables they fill.

The parts of a membership (introductions, suspicion, synchronization) meet here: each looks peers up, changes what it
has learned, and the roster keeps tables, subscriptions and digest in step and tells what changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, repeat
from random import Random

from mesh.config import Address
from mesh.gossip.allowance import Allowance
from mesh.gossip.entry import decode_entry
from mesh.gossip.event import LeadChanged, MemberChanged, Outbox, ReplicaChanged, Subscribe, Unsubscribe
from mesh.gossip.ledger import Copy, Ledger
from mesh.gossip.member import Card, Lead, Link, Member, Replica, Status
from mesh.gossip.message import STATES, Beat, Change, Message
from mesh.gossip.overlay import Overlay
from mesh.gossip.pulse import Pulse
from mesh.gossip.tables import Tables

MAX_PEERS = 1024
MAX_PER_HOST = 64
"""Of them: ids cost nothing, hosts do."""
QUESTIONS = 50.0, 200.0
"""That one peer may ask in a second, and at once: a whole mesh may have to be asked about after a cut."""
UNSUBSCRIBE_S = 60.0
"""Seconds for which a dead peer's endpoint is kept, in case it was only cut off."""
FORGET_S = {Status.DEAD: 3600.0, Status.LEFT: 300.0}
"""Seconds for which those who are gone are shown; the dead are dialled for longer."""


@dataclass(slots=True)
class Peer:
    """Another member, and what is kept of it."""

    member: Member
    copy: Copy
    pulse: Pulse
    allowance: Allowance
    links: dict[str, Link] = field(default_factory=dict)
    """What it measured, by the id of the other end."""
    says: Status = Status.JOINING
    """What it says of itself; its status, while nothing speaks against it."""
    said: int = -1
    """In which of its beats, whatever way that took."""
    route: Address | None = None
    """Where its control socket answered."""
    back: Address | None = None
    """Where its hello came from: a way to answer until an address is proved."""
    subscribed: Address | None = None
    refuses: bool = False
    """Nobody listened where it was, and it gave no sign since."""
    knock_at: float = float("-inf")
    """When its address may be knocked at again."""
    stranger_at: float = float("-inf")
    """When we may look again at another process that speaks in its name."""
    impersonated: bool = False
    """Somebody said goodbye in its name: no goodbye of its own is believed any more; its connections' closing is."""
    gone: float = 0.0
    """When it died or left."""
    digest: int = 0
    """Of all that it holds, as of its last beat."""
    mismatches: int = 0
    """Beats in a row whose digest was not ours."""
    sync_at: float = float("-inf")
    """When it may be asked to synchronize again."""
    pull_at: float = float("-inf")
    """When it may be pulled from again."""

    @property
    def id(self) -> str:
        return self.member.card.id

    @property
    def living(self) -> bool:
        return self.member.status.living

    @property
    def age(self) -> tuple[int, str]:
        """Orders the processes that ran, or run, under one id."""
        return self.member.card.incarnation, self.member.card.boot


class Roster:
    """This node, its peers, and what all of them say."""

    def __init__(self, card: Card, overlay: Overlay, random: Random, now: float) -> None:
        self.card = card
        self.random = random
        self.outbox = Outbox()
        self.ledger = Ledger()
        self.peers: dict[str, Peer] = {}
        self.links: dict[str, Link] = {}
        self.tables = Tables(card.id, [Member(card, Status.JOINING, links=self.links, born=now)])
        self._overlay = overlay
        self._entries: dict[str, dict[str, Lead | Replica]] = {card.id: {}}
        self._digest = 0
        self._marks: dict[str, int] = {}
        """What each living member adds to the digest."""
        self._unmarked = {card.id}
        """Members of whom this may have changed."""
        self._living: list[Peer] | None = None
        self._heard: set[str] | None = None
        """Those of them whom the overlay wants heard."""

    @property
    def me(self) -> Member:
        """This node."""
        return self.tables.members[self.card.id]

    def living(self) -> Sequence[Peer]:
        """The peers that are neither dead nor left."""
        if self._living is None:
            self._living = [peer for peer in self.peers.values() if peer.living]
        return self._living

    def period(self) -> float:
        """Seconds between this node's heartbeats."""
        return self._overlay.period(len(self.living()) + 1)

    def send(self, peer: Peer, message: Message) -> None:
        """To a peer, if there is a way to it."""
        if address := peer.route or peer.back:
            self.outbox.send(address, message)

    def has_room(self, host: str) -> bool:
        """Whether one more node of this host can be met; one that is gone makes room."""
        here = [peer for peer in self.peers.values() if peer.member.address == host]
        for peers, most in ((here, MAX_PER_HOST), ([*self.peers.values()], MAX_PEERS)):
            if len(peers) >= most:
                oldest = min(peers, key=lambda peer: (peer.living, peer.gone))
                if oldest.living:
                    return False
                self._forget(oldest)
        return True

    def meet(self, card: Card, host: str, born: float, now: float) -> Peer:
        """Take in a node that has introduced itself from `host`: a new one, or a new process of a known one."""
        old = self.peers.get(card.id)
        if old:
            self.show(card.id, [(key, 0, None) for key in old.copy.entries])
        member = Member(card, Status.JOINING, address=host, born=born)
        peer = Peer(member, Copy(card.boot), Pulse(now), Allowance(*QUESTIONS, now))
        peer.subscribed = old.subscribed if old else None
        self.peers[card.id] = peer
        self._living = self._heard = None
        self._entries[card.id] = {}
        self._set(peer.member)
        return peer

    def set_status(self, peer: Peer, status: Status, now: float) -> None:
        """Judge a peer."""
        if status is peer.member.status:
            return
        was_living = peer.living
        peer.member = replace(peer.member, status=status)
        self._set(peer.member)
        if was_living != peer.living:
            peer.gone = now
            self._living = self._heard = None
            self._tell_entries(peer.id)
            for other in self.living():
                self._connect(other)

    def set_card(self, peer: Peer, card: Card) -> None:
        """Take a newer card of the same boot; one that has left the address where it answered must answer anew."""
        old = peer.member.card
        if card != old:
            if peer.route and peer.route.host in {*old.addresses} - {*card.addresses}:
                peer.route = None
            peer.member = replace(peer.member, card=card)
            self._set(peer.member)
            self._connect(peer)

    def set_route(self, peer: Peer, route: Address) -> None:
        """Remember the address that answered, and listen there."""
        peer.route = route
        if peer.member.address != route.host:
            peer.member = replace(peer.member, address=route.host)
            self._set(peer.member)
        self._connect(peer)

    def set_me(self, member: Member) -> None:
        """Change what this node says of itself."""
        self.card = member.card
        self._set(member)

    def beat(self, peer: Peer, beat: Beat, now: float) -> None:
        """Take what changes with every heartbeat, silently, unless a later one took a shorter way."""
        if beat.seq < peer.said:
            return
        old, peer.said = peer.member, beat.seq
        peer.pulse.date(beat.uptime_ms / 1000, now)
        peer.says = STATES[beat.state]
        for (raw, rtt, loss), (jitter, kbps) in zip(beat.links, chain(beat.ways, repeat((0, 0))), strict=False):
            if (id := raw.hex()) in self.tables.members:
                peer.links[id] = Link(rtt / 100, loss / 1000, jitter / 100, 1000 * kbps)
        peer.member = Member(old.card, old.status, beat.load, peer.links, old.address, old.born)
        self.tables.set_member(peer.member)

    def show(self, origin: str, changes: list[Change]) -> None:
        """Bring the tables up to date with what an origin changed."""
        self._unmarked.add(origin)
        for key, _, value in changes:
            new = None if value is None else decode_entry(origin, key, value)
            if isinstance(new, Card):
                peer = self.peers.get(origin)
                if peer and (new.id, new.boot) == (origin, peer.copy.boot):
                    self.set_card(peer, new)
                continue
            old = self._entries[origin].pop(key, None)
            if old:
                self.tables.drop_entry(old)
            if new:
                self._entries[origin][key] = new
                self.tables.set_entry(new)
            for entry in {type(entry): entry for entry in (old, new) if entry}.values():
                self._tell_entry(entry)

    def digest(self) -> int:
        """Equal at two nodes that hold the same of everyone living."""
        while self._unmarked:
            id = self._unmarked.pop()
            self._digest ^= self._marks.pop(id, 0)
            if id == self.card.id:
                self._marks[id] = _mark(id, self.card.boot, self.ledger.version)
            elif (peer := self.peers.get(id)) and peer.living:
                self._marks[id] = _mark(id, peer.copy.boot, peer.copy.version)
            self._digest ^= self._marks.get(id, 0)
        return self._digest

    def tick(self, now: float) -> None:
        """Let go of those who are gone."""
        for peer in [peer for peer in self.peers.values() if not peer.living]:
            if now > peer.gone + FORGET_S[peer.member.status]:
                self._forget(peer)
            elif peer.member.status is Status.LEFT or now > peer.gone + UNSUBSCRIBE_S:
                self._subscribe(peer, None)

    def _connect(self, peer: Peer) -> None:
        """Subscribe to a living peer where it answered, if the overlay wants it heard."""
        if self._heard is None:
            self._heard = {*self._overlay.neighbours([peer.id for peer in self.living()])}
        if peer.route and peer.living:
            address = Address(peer.route.host, peer.member.card.gossip)
            self._subscribe(peer, address if peer.id in self._heard else None)

    def _subscribe(self, peer: Peer, address: Address | None) -> None:
        if address == peer.subscribed:
            return
        old, peer.subscribed = peer.subscribed, address
        if old and not any(other.subscribed == old for other in self.peers.values()):
            self.outbox.tell(Unsubscribe(old))
        if address:
            self.outbox.tell(Subscribe(address))

    def _set(self, member: Member) -> None:
        self._unmarked.add(member.id)
        old = self.tables.members.get(member.id)
        self.tables.set_member(member)
        self.outbox.tell(MemberChanged(member.id, old, member))

    def _forget(self, peer: Peer) -> None:
        self._subscribe(peer, None)
        self.show(peer.id, [(key, 0, None) for key in peer.copy.entries])
        del self.peers[peer.id], self._entries[peer.id]
        self._living = self._heard = None
        for links in (self.links, *(other.links for other in self.peers.values())):
            links.pop(peer.id, None)
        self.tables.forget_member(peer.id)
        self.outbox.tell(MemberChanged(peer.id, peer.member, None))

    def _tell_entries(self, id: str) -> None:
        for entry in self._entries[id].values():
            self._tell_entry(entry)

    def _tell_entry(self, entry: Lead | Replica) -> None:
        changed = LeadChanged if isinstance(entry, Lead) else ReplicaChanged
        self.outbox.tell(changed(entry.stream))


@lru_cache(4096)
def _mark(id: str, boot: str, version: int) -> int:
    return int.from_bytes(blake2b(f"{id} {boot} {version}".encode(), digest_size=8).digest())
