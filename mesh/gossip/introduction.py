"""Introductions: how two nodes meet, and which of two processes is the node.

A `Hello` goes to an address that may be a node's; the `Welcome` that comes back proves that address, and both have
seen the other's card. Each side says its own hello, so each knows its own way. Processes that run under one id are
ordered by (incarnation, boot): the later is the node. A node that lost its disk is told so by `You` and goes above
what it was, three times at most. One that is then still behind looks for the other, and must stop if that answers.
"""

from collections.abc import Callable
from dataclasses import replace

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.allowance import Allowances
from mesh.gossip.dialing import Dialing
from mesh.gossip.entry import encode_entry
from mesh.gossip.event import Raised, Refused, Superseded
from mesh.gossip.member import Card, Status
from mesh.gossip.message import Beat, Hello, Refuse, Sender, Welcome, You, check_beat, check_card
from mesh.gossip.roster import MAX_PEERS, MAX_PER_HOST, Peer, Roster
from mesh.gossip.suspicion import Suspicion, addresses
from mesh.gossip.sync import parse

MAX_RAISES = 3
"""How often a process may go above another; if that is not enough, the other does the same."""
STRANGER_S = 1.0
"""Between two looks at another process that speaks in a peer's name."""
MAX_INCARNATION = 1 << 52
"""To which others can raise it; it may grow as often again with each start before cards are refused for it."""
NEWCOMERS = 1.0, float(MAX_PER_HOST)
"""Processes of one host that are met in a second, and at once: they cost nothing to make up, and much to find dead."""


class Introductions:
    """Saying hello, and answering it."""

    def __init__(
        self,
        roster: Roster,
        dialing: Dialing,
        suspicion: Suspicion,
        mesh: str,
        oldest: int,
        beat: Callable[[float], Beat],
        answered: Callable[[Peer, float], None],
    ) -> None:
        """`beat` makes a beat to introduce ourselves with; `answered` is told of each peer met, or met again."""
        self._roster = roster
        self._dialing = dialing
        self._suspicion = suspicion
        self._mesh = mesh
        self._oldest = oldest
        self._beat = beat
        self._answered = answered
        self._raises = 0
        self._newcomers = Allowances(*NEWCOMERS, MAX_PEERS)

    def tick(self, now: float) -> None:
        """Say hello wherever it is time to."""
        for address in self._dialing.tick(now):
            self.say_hello(address, now)

    def say_hello(self, address: Address, now: float) -> None:
        """Try this address."""
        card = self._roster.card
        self._roster.outbox.send(address, Hello(self._mesh, self._oldest, card, self._beat(now), str(address)))

    def move(self, hosts: tuple[str, ...], now: float) -> None:
        """This node has other addresses: tell all peers, and look for those that it has lost."""
        self._write(replace(self._roster.card, addresses=hosts))
        for peer in self._roster.peers.values():
            if peer.living and peer.route:
                self.say_hello(peer.route, now)
            else:
                self._dialing.add(addresses(peer), now, peer.id)

    def seek(self, peer: Peer, host: str, now: float) -> None:
        """Find a way to a peer that speaks to us from this host."""
        back = [Address(host, peer.member.card.control)] if host else []
        self._dialing.add(list(dict.fromkeys([*back, *addresses(peer)])), now, peer.id)

    def hello(self, hello: Hello, sender: Sender, now: float) -> None:
        """Somebody tries ours. Raises `WireError`."""
        check_card(hello.card, sender)
        check_beat(hello.beat)
        back = Address(sender.host, hello.card.control)
        outbox = self._roster.outbox
        if reason := self._reason_to_refuse(hello):
            outbox.send(back, Refuse(reason, hello.reached))
            outbox.tell(Refused(str(back), reason))
        elif sender.id == self._roster.card.id:
            self._meet_myself(hello, back, now)
        elif earlier := self._earlier(hello.card):
            outbox.send(back, self._you(earlier, hello.reached))
        elif peer := self._admit(hello.card, hello.beat, sender.host, now):
            peer.back = back
            for way in dict.fromkeys([peer.route or back, back]):  # who says hello may have lost the way that we know
                outbox.send(way, Welcome(self._roster.card, self._beat(now), hello.reached))
            if peer.route is None:
                self.seek(peer, sender.host, now)

    def welcome(self, welcome: Welcome, sender: Sender, now: float) -> None:
        """An address that we tried is a node's. Raises `WireError`."""
        check_card(welcome.card, sender)
        check_beat(welcome.beat)
        address = _address(welcome.reached)
        if sender.id == self._roster.card.id:
            return
        if earlier := self._earlier(welcome.card):
            self._roster.outbox.send(address, self._you(earlier, ""))
            return
        known = self._roster.peers.get(sender.id)
        if not self._dialing.answered(address, sender.id) and not (known and known.route == address):
            raise WireError(f"welcome at {address}, where we asked nobody")
        in_touch = known and known.copy.boot == sender.boot and self.in_touch(sender.id)
        peer = self._admit(welcome.card, welcome.beat, address.host, now)
        if peer and not in_touch:
            self._roster.set_route(peer, address)
            peer.pulse.beat_at = now
            self._answered(peer, now)

    def refuse(self, refuse: Refuse, sender: Sender, now: float) -> None:
        """A node that we tried is not one of us."""
        if self._dialing.answered(_address(refuse.reached), sender.id):
            self._roster.outbox.tell(Refused(refuse.reached, refuse.reason[:200]))

    def you(self, you: You, sender: Sender, now: float) -> None:
        """Somebody knows a later process under our id; if it is that process itself, one of us must stop."""
        card = self._roster.card
        if you.boot == card.boot:
            return
        asked = bool(you.reached) and self._dialing.answered(_address(you.reached), sender.id)
        if (you.incarnation, you.boot) > (card.incarnation, card.boot) and not self._go_above(you.incarnation):
            if asked and (sender.id, sender.boot) == (card.id, you.boot):
                self._roster.outbox.tell(Superseded(you.boot))
            else:
                self._dialing.add(parse(you.addresses), now)
            return
        teller = self._roster.peers.get(sender.id)
        if asked:
            self.say_hello(_address(you.reached), now)
        elif teller and teller.route:
            self.say_hello(teller.route, now)

    def in_touch(self, id: str) -> bool:
        """Whether this is a peer whose address is known and good."""
        peer = self._roster.peers.get(id)
        return peer is not None and peer.living and peer.route is not None and not self._suspicion.doubts(id)

    def stranger(self, sender: Sender, now: float) -> None:
        """Whoever speaks in a known peer's name, it is another process: one that has started anew, or a clone."""
        peer = self._roster.peers.get(sender.id)
        if peer and sender.host and now >= peer.stranger_at:
            peer.stranger_at = now + STRANGER_S
            address = Address(sender.host, peer.member.card.control)
            self._dialing.drop(address)  # where it is thought to be the peer's, nobody would look
            self._dialing.add([address], now)

    def _reason_to_refuse(self, hello: Hello) -> str:
        card = self._roster.card
        if hello.mesh != self._mesh:
            return f"this is mesh {self._mesh}, not {hello.mesh[:63]}"
        if hello.oldest > card.proto or hello.card.proto < self._oldest:
            ours, theirs = f"{self._oldest} to {card.proto}", f"{hello.oldest} to {hello.card.proto}"
            return f"this node speaks protocol {ours}, not {theirs}"
        return ""

    def _earlier(self, card: Card) -> Peer | None:
        """The peer as we know it, if this is the card of a process before it."""
        peer = self._roster.peers.get(card.id)
        if peer and peer.copy.boot != card.boot and (card.incarnation, card.boot) < peer.age:
            return peer
        return None

    def _admit(self, card: Card, beat: Beat, host: str, now: float) -> Peer | None:
        """Take this in as a sign of a peer, new or known; None for one that has left, or is one too many."""
        peer = self._roster.peers.get(card.id)
        if peer is None or peer.copy.boot != card.boot:
            if not self._newcomers.take(host, now) or (peer is None and not self._roster.has_room(host)):
                return None  # if it is true, it will say hello again
            before = peer
            self._suspicion.forget(card.id)
            peer = self._roster.meet(card, host, now - beat.uptime_ms / 1000, now)
            if before and before.living:
                self._roster.send(before, self._you(peer, ""))
        elif peer.member.status is Status.LEFT:
            return None
        elif card.incarnation > peer.member.card.incarnation or beat.version > peer.copy.version:
            self._roster.set_card(peer, card)
        self._roster.beat(peer, beat, now)
        self._suspicion.heard(peer, now)
        return peer

    def _you(self, peer: Peer, reached: str) -> You:
        incarnation, boot = peer.age
        return You(incarnation, boot, reached, tuple(map(str, addresses(peer))))

    def _meet_myself(self, hello: Hello, back: Address, now: float) -> None:
        """Our own address, or another process under our id."""
        mine, other = self._roster.card, hello.card
        if other.boot == mine.boot:
            self._dialing.drop(_address(hello.reached))
        elif (other.incarnation, other.boot) < (mine.incarnation, mine.boot):
            self._roster.outbox.send(back, You(mine.incarnation, mine.boot, hello.reached))
        else:
            self._go_above(other.incarnation)
            self._dialing.add([back], now, wait=STRANGER_S)  # a hello ends nobody, its sender's answer to ours may
            self.say_hello(back, now)

    def _go_above(self, incarnation: int) -> bool:
        """Become the later process, if that may be."""
        if self._raises == MAX_RAISES or incarnation > MAX_INCARNATION:
            return False
        self._raises += 1
        self._write(replace(self._roster.card, incarnation=incarnation + 1))
        self._roster.outbox.tell(Raised(incarnation + 1))
        return True

    def _write(self, card: Card) -> None:
        """Publish another card of this node's."""
        self._roster.set_me(replace(self._roster.me, card=card))
        self._roster.ledger.put(*encode_entry(card))


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise WireError(f"{error}") from None
