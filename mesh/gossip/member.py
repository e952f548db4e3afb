"""Members of the mesh, and what each of them says of itself.

Everything here is a value. A `Card` and the entries `Lead` and `Replica` are durable: written by their node alone and
copied to all others. `Load` and `Link` ride in heartbeats and are as old as the last one. A `Member` is all of it as
one node sees it, its own judgement (`status`) and the way it reaches the other (`address`) included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """What we hold of a member; only first-hand evidence makes one alive."""

    JOINING = "joining"
    ALIVE = "alive"
    SUSPECT = "suspect"
    UNREACHABLE = "unreachable"
    """Unreachable from here: others hear it, so it is not dead."""
    DRAINING = "draining"
    LEFT = "left"
    DEAD = "dead"

    def __init__(self, name: str) -> None:
        self.living = name not in ("dead", "left")
        """Whether it may still be running."""


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a node is; rides in each of its heartbeats."""

    cpu: float = 0.0
    """Share of the whole machine, 0 to 1."""
    mem: float = 0.0
    """Share of the machine's memory, 0 to 1."""
    rx_bps: int = 0
    tx_bps: int = 0
    capacity_bps: int = 0
    """What it can send at most, and receive; 0 if it does not know."""
    players: int = 0
    streams: int = 0
    loop_lag_ms: float = 0.0
    ill: str = ""
    """Why nobody should be sent here although the node is alive, like "disk of node.data_dir is full"."""
    relays: int = 0
    """How many streams it sends to other nodes, each of them counted."""
    usable: bool = True
    """Whether it takes clients although it is ill, where nobody else can."""


@dataclass(frozen=True, slots=True)
class Card:
    """Who a node is and where it listens, in its own words."""

    id: str
    """The hash of its public key: 32 hexadecimal digits."""
    name: str
    """A label; `Tables.display_name` makes it unique."""
    zone: str
    boot: str
    """Random, new in each process: 16 hexadecimal digits."""
    incarnation: int
    """Grows with each start; orders the boots of one id."""
    addresses: tuple[str, ...]
    """Hosts at which it may be reached, best first."""
    control: int
    gossip: int
    media: int
    rtmp: int
    http: int
    proto: int
    """The newest version of the protocol between nodes that it speaks."""


class Link(NamedTuple):
    """The way from one node to another, as the first measured it."""

    rtt_ms: float
    loss: float
    """Share of the other's heartbeats that came late or not at all, 0 to 1."""
    jitter_ms: float = 0.0
    """How much one round trip differs from the next, on the average."""
    bps: int = 0
    """What streams from the other bring at present; 0 where there are none."""
    offset_ms: float = 0.0
    """How far the other's clock seems to be ahead: good for showing, and for nothing else. It is told to nobody."""


@dataclass(frozen=True, slots=True)
class Member:
    """One node of the mesh, as seen from here."""

    card: Card
    status: Status = Status.ALIVE
    load: Load = Load()
    links: Mapping[str, Link] = field(default_factory=dict)
    """By the id of the peer; measured by this member."""
    address: str = ""
    """The host by which we reach it: the one of its addresses that answered first."""
    born: float = 0.0
    """When it started, on our clock: good for comparing ages, and for nothing else."""

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def zone(self) -> str:
        return self.card.zone


class LeadState(StrEnum):
    """How far a leader is with its stream."""

    CLAIM = "claim"
    """Announced, not yet settled against rivals; no player may have it."""
    LIVE = "live"
    STALLED = "stalled"
    """Led, but silent for longer than `stream.silence_s`."""
    STANDBY = "standby"
    """Published here too, and not needed: it takes over when the leader is lost."""
    HEIR = "heir"
    """The claim of a standby: newcomers give way to it, as they do to a standby."""


@dataclass(frozen=True, slots=True)
class Lead:
    """A stream's epoch, led by a node; durable entry `s/APP/NAME`."""

    node: str
    stream: str
    epoch: int
    state: LeadState
    video: str = ""
    """Like "h264 1280x720", empty without video."""
    audio: str = ""
    """Like "aac 48000x2", empty without audio."""
    kbps: int = 0
    over: str = ""
    """The node it has taken the stream from with that node's knowledge, so that this is settled between them."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A copy of a stream's log, held by a node that does not lead it; durable entry `r/APP/NAME`."""

    node: str
    stream: str
    epoch: int
    supplier: str
    path: tuple[str, ...]
    """Ids from the leader down to the supplier; as many hops lie between the leader and this node."""
