"""What a membership tells: to the node what changed, to its driver what must be done on the network."""

from collections import deque
from dataclasses import dataclass

from mesh.config import Address
from mesh.gossip.member import Member
from mesh.gossip.message import Message


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """A member's card, status or address changed; its load changes silently, with each heartbeat."""

    id: str
    old: Member | None
    """None when it was not known."""
    new: Member | None
    """None when it is forgotten."""


@dataclass(frozen=True, slots=True)
class LeadChanged:
    """Somebody leads this stream, does so differently, or does not any more."""

    stream: str


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """Somebody holds a copy of this stream, does so differently, or does not any more."""

    stream: str


@dataclass(frozen=True, slots=True)
class Joined:
    """The tables are complete, or there is nobody to complete them from."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Connect to what is published at this address."""

    address: Address


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Disconnect from it."""

    address: Address


@dataclass(frozen=True, slots=True)
class Knock:
    """Find out whether this member's address refuses a connection, and say so with `Membership.refused`."""

    id: str
    address: Address


@dataclass(frozen=True, slots=True)
class Raised:
    """This node's incarnation has grown; it must be remembered for the next start."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The node at this address wants nothing to do with us, or we with it."""

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another process runs under this node's id with a higher incarnation: this one must stop."""

    boot: str


Event = (
    MemberChanged
    | LeadChanged
    | ReplicaChanged
    | Joined
    | Subscribe
    | Unsubscribe
    | Knock
    | Raised
    | Refused
    | Superseded
)


class Outbox:
    """What a membership wants done, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[Address | None, Message]] = []
        self.events: deque[Event] = deque()

    def publish(self, message: Message) -> None:
        """To all who subscribe."""
        self.messages.append((None, message))

    def send(self, address: Address, message: Message) -> None:
        """To the node whose control socket is there."""
        self.messages.append((address, message))

    def tell(self, event: Event) -> None:
        """To whoever runs this membership."""
        self.events.append(event)
