"""What members say to each other.

`Beat`, `Delta`, `Bye`, `Suspect` and `Dead` are published to all; the rest goes to one node, and its answer comes back
on a way of the answerer's own. Every message travels with the id and the boot of its sender, so none repeats them.
Nothing here carries a clock: times are ages, in ms.
"""

import re
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

from mesh.errors import WireError
from mesh.gossip.member import Card, Load, Status
from mesh.media.wire import message

PROTO = 1
"""The protocol between nodes that this version speaks best."""
OLDEST_PROTO = 1
"""The oldest that it still understands."""

Change = tuple[str, int, bytes | None]
"""A durable entry: its key, the version that wrote it, and its value, or None where it was deleted."""
Row = tuple[str, str, int, int]
"""How far a copy is: id, boot, incarnation, version."""

STATES = (Status.JOINING, Status.ALIVE, Status.DRAINING)
"""What a node may say of itself; a beat carries the index."""
LOADS = attrgetter(*[field.name for field in fields(Load) if field.name != "ill"])
"""The numbers in a load."""
MOST_ILL = 120
"""Characters in which a node says what it suffers from."""


class Sender(NamedTuple):
    """Whom a message came from; `id` is proved by its key, where the mesh has a secret."""

    id: str
    boot: str
    host: str = ""
    """The host that the network saw, if it told."""


@message(1)
@dataclass(frozen=True, slots=True)
class Beat:
    """I am here: to all, twice a second."""

    seq: int
    period_ms: int
    version: int
    """Of the sender's own durable entries."""
    digest: int
    """Of everything the sender holds of the living; equal where two hold the same."""
    state: int
    """Index into `STATES`."""
    uptime_ms: int
    load: Load
    links: tuple[tuple[bytes, int, int], ...] = ()
    """Some of the links it measured, in turn: peer, RTT in 0.01 ms, loss in 1/1000."""
    ways: tuple[tuple[int, int], ...] = ()
    """More of each of these links: jitter in 0.01 ms, throughput in kb/s."""


@message(2)
@dataclass(frozen=True, slots=True)
class Delta:
    """What I changed between two versions: to all at once, or to one who asked."""

    base: int
    version: int
    changes: tuple[Change, ...]


@message(3)
@dataclass(frozen=True, slots=True)
class Bye:
    """I am leaving now."""


@message(4)
@dataclass(frozen=True, slots=True)
class Suspect:
    """I fear this member is dead: to itself, so that it may object, and to all, so that they look."""

    id: str


@message(5)
@dataclass(frozen=True, slots=True)
class Dead:
    """I hold this member for dead: to all, who look for themselves and believe nothing."""

    id: str


@message(6)
@dataclass(frozen=True, slots=True)
class Hello:
    """Let us meet: to an address that may be a node's."""

    mesh: str
    oldest: int
    """The oldest protocol that the sender understands; the newest is on its card."""
    card: Card
    beat: Beat
    reached: str
    """The address this is sent to, returned in the answer."""


@message(7)
@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to `Hello`: the address it came by is good."""

    card: Card
    beat: Beat
    reached: str


@message(8)
@dataclass(frozen=True, slots=True)
class Refuse:
    """The answer to a `Hello` from another mesh or another age."""

    reason: str
    reached: str


@message(9)
@dataclass(frozen=True, slots=True)
class You:
    """What I know of you is newer than what you say."""

    incarnation: int
    boot: str
    reached: str
    """The address of the `Hello` that this answers, if it does."""
    addresses: tuple[str, ...] = ()
    """Where that boot may be, as "host:port"."""


@message(10)
@dataclass(frozen=True, slots=True)
class Pull:
    """Tell me what changed at this origin since a version of this boot."""

    origin: str
    boot: str
    since: int


@message(11)
@dataclass(frozen=True, slots=True)
class Snap:
    """One part of everything an origin says; its receiver replaces what it holds."""

    origin: str
    boot: str
    version: int
    part: int
    parts: int
    changes: tuple[Change, ...]


@message(12)
@dataclass(frozen=True, slots=True)
class Sync:
    """How far I am with everyone; answer with what I lack."""

    rows: tuple[Row, ...]
    last: bool
    """Whether this is itself an answer, to be followed by no other `Sync`."""


@message(13)
@dataclass(frozen=True, slots=True)
class Known:
    """The answer to `Sync`: who is ahead of you or unknown to you, and the control addresses to try."""

    rows: tuple[Row, ...]
    addresses: tuple[tuple[str, ...], ...]
    """Of each row's node, as "host:port"."""


@message(14)
@dataclass(frozen=True, slots=True)
class Ping:
    nonce: int


@message(15)
@dataclass(frozen=True, slots=True)
class Pong:
    nonce: int
    clock_ms: int = 0
    """The sender's wall clock."""


@message(16)
@dataclass(frozen=True, slots=True)
class AskAge:
    """When did you last hear this member?"""

    id: str
    refused: bool
    """Whether it closed the connection to the sender and refuses new ones."""


@message(17)
@dataclass(frozen=True, slots=True)
class Age:
    """When I last heard this member."""

    id: str
    age_ms: int | None
    """None: do not count on me, my own loop was late."""
    refused: bool


Message = (
    Beat | Delta | Bye | Suspect | Dead | Hello | Welcome | Refuse | You
    | Pull | Snap | Sync | Known | Ping | Pong | AskAge | Age
)  # fmt: skip


def check_card(card: Card, sender: Sender) -> None:
    """Raise `WireError` unless the card is its sender's own and within reason."""
    if (card.id, card.boot) != (sender.id, sender.boot):
        raise WireError(f"card of {card.id} boot {card.boot} came from {sender.id} boot {sender.boot}")
    if not 1 <= card.incarnation < 1 << 53:
        raise WireError(f"card has incarnation {card.incarnation}, expected 1 or more")
    for label in (card.name, card.zone):
        if len(label) > 63 or not label.isprintable():
            raise WireError(f"card has the label {label[:80]!r}, expected no more than 63 printable characters")
    for port in (card.control, card.gossip, card.media, card.rtmp, card.http):
        if not 0 <= port <= 65535:
            raise WireError(f"card has port {port}, expected 0 to 65535")
    if len(card.addresses) > 16 or not all(re.fullmatch(r"[0-9A-Za-z._:%-]{1,255}", host) for host in card.addresses):
        raise WireError(f"card has {len(card.addresses)} addresses, expected no more than 16 hosts")


def check_beat(beat: Beat) -> None:
    """Raise `WireError` unless every number is within reason."""
    if not 0 <= beat.state < len(STATES):
        raise WireError(f"beat has state {beat.state}, expected 0 to {len(STATES) - 1}")
    if min(beat.seq, beat.version, beat.uptime_ms) < 0:
        raise WireError("beat has a negative number")
    if min(LOADS(beat.load)) < 0:
        raise WireError("beat has a negative load")
    if len(beat.load.ill) > MOST_ILL or not beat.load.ill.isprintable():
        raise WireError(f"beat says ill {beat.load.ill[:80]!r}, expected no more than {MOST_ILL} printable characters")
    if len(beat.links) > 16 or any(len(peer) != 16 or rtt < 0 or loss < 0 for peer, rtt, loss in beat.links):
        raise WireError("beat has links out of range")
    if len(beat.ways) > len(beat.links) or any(min(way) < 0 for way in beat.ways):
        raise WireError("beat has ways out of range")
