"""One membership in the company of others that a test speaks for."""

from random import Random
from typing import Any, TypeVar

from mesh.config import Address
from mesh.gossip.entry import encode_entry
from mesh.gossip.event import Event
from mesh.gossip.member import Card, Lead, LeadState, Load, Member, Status
from mesh.gossip.membership import Membership
from mesh.gossip.message import PROTO, STATES, Beat, Delta, Hello, Message, Pull, Sender, Welcome

T = TypeVar("T")
MESH = "mesh"


def card(number: int, **changes: Any) -> Card:
    """The card of a node at 10.0.0.NUMBER."""
    values: dict[str, Any] = {
        "id": f"{number:032x}", "name": f"n{number}", "zone": "", "boot": f"{0xB000 + number:016x}", "incarnation": 1,
        "addresses": (f"10.0.0.{number}",), "control": 7400, "gossip": 7401, "media": 7402, "rtmp": 1935, "http": 8080,
        "proto": PROTO,
    }  # fmt: skip
    return Card(**values | changes)


def sender(number: int, **changes: Any) -> Sender:
    return Sender(card(number).id, changes.get("boot", card(number).boot), f"10.0.0.{number}")


def address(number: int) -> Address:
    return Address(f"10.0.0.{number}", 7400)


def beat(seq: int = 1, version: int = 1, state: Status = Status.ALIVE, **changes: Any) -> Beat:
    values = {"period_ms": 500, "digest": 0, "uptime_ms": 1000, "load": Load()}
    return Beat(seq=seq, version=version, state=STATES.index(state), **values | changes)


def hello(number: int, mesh: str = MESH, **changes: Any) -> Hello:
    return Hello(mesh, 1, card(number, **changes), beat(), str(address(0)))


def welcome(number: int, **changes: Any) -> Welcome:
    return Welcome(card(number, **changes), beat(), str(address(number)))


def lead(number: int, stream: str = "live/x", epoch: int = 1, state: LeadState = LeadState.LIVE) -> Lead:
    return Lead(card(number).id, stream, epoch, state)


class Company:
    """Node 0; every other is a number."""

    def __init__(self, *peers: int, **options: Any) -> None:
        """In touch with these peers, whose hearts beat regularly, and who have nothing but their cards to tell."""
        self.now = 1000.0
        self.membership = Membership(card(0), MESH, Random(7), self.now, **options)
        self._seq = 1
        for peer in peers:
            self.meet(peer)
        self.wait(12, *peers)
        self.sent()
        self.events()

    @property
    def tables(self) -> Any:
        return self.membership.tables

    def member(self, number: int) -> Member:
        return self.membership.tables.members[card(number).id]

    def status(self, number: int) -> Status:
        return self.member(number).status

    def meet(self, number: int, **changes: Any) -> None:
        """Let a node answer our hello, and tell us its card."""
        self.membership.dial([address(number)], self.now)
        self.membership.handle_timer(self.now)
        self.say(number, welcome(number, **changes), **changes)
        self.say(number, Delta(0, 1, ((*_first(card(number, **changes)),),)), **changes)

    def say(self, number: int, message: Message, **changes: Any) -> None:
        """Let a node say something to us."""
        self.membership.receive(message, sender(number, **changes), self.now)

    def say_from(self, host: str, number: int, message: Message, **changes: Any) -> None:
        """The same from another host than its usual one."""
        self.membership.receive(message, sender(number, **changes)._replace(host=host), self.now)

    def beats(self, *numbers: int) -> None:
        """Let these give a sign."""
        self._seq += 1
        for number in numbers:
            self.say(number, beat(self._seq, digest=self.membership.digest(), uptime_ms=round(1000 * self.now)))

    def wait(self, seconds: float, *beating: int) -> None:
        """Let time pass, while these go on giving signs."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.05, end)
            if round(20 * self.now) % 10 == 0:
                self.beats(*beating)
            if self.membership.get_timer() <= self.now:
                self.membership.handle_timer(self.now)

    def sent(self, kind: type[T] = object) -> list[tuple[Address | None, T]]:  # type: ignore[assignment]
        """What we have said since the last look, if it is of this kind; to all where there is no address."""
        return [
            (to, message) for to, message in self.membership.messages_to_send(self.now) if isinstance(message, kind)
        ]

    def events(self, kind: type[T] = object) -> list[T]:  # type: ignore[assignment]
        """What has happened since the last look."""
        events: list[Event] = []
        while event := self.membership.next_event():
            events.append(event)
        return [event for event in events if isinstance(event, kind)]


class Lone(Company):
    """Node 0, which has only just started."""

    def __init__(self, **options: Any) -> None:
        self._started = False
        super().__init__(**options)
        self._started = True

    def wait(self, seconds: float, *beating: int) -> None:
        if self._started:
            super().wait(seconds, *beating)


def _first(content: Card) -> tuple[str, int, bytes]:
    key, value = encode_entry(content)
    return key, 1, value


def pull(number: int, since: int) -> Pull:
    return Pull(card(number).id, card(number).boot, since)
