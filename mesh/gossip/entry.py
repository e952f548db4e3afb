"""Durable entries: a key and a value in bytes, and what they mean.

A value names neither its node nor its stream: those are the origin it came from and the key it is under, so nobody can
publish in another's name.
"""

from dataclasses import dataclass

from mesh.errors import WireError
from mesh.gossip.member import Card, Lead, LeadState, Replica
from mesh.gossip.message import Sender, check_card
from mesh.media.wire import decode, encode, message

CARD = "card"
LEAD = "s/"
REPLICA = "r/"
MAX_EPOCH = (1 << 31) - 1
"""An offset of 64 bits has room for this and for 2**32 frames of each."""


@message(24)
@dataclass(frozen=True, slots=True)
class CardValue:
    card: Card


@message(25)
@dataclass(frozen=True, slots=True)
class LeadValue:
    epoch: int
    state: str
    video: str
    audio: str
    kbps: int
    over: str = ""


@message(26)
@dataclass(frozen=True, slots=True)
class ReplicaValue:
    epoch: int
    supplier: str
    path: tuple[str, ...]


def encode_entry(entry: Card | Lead | Replica) -> tuple[str, bytes]:
    """The key and the value under which a node publishes this."""
    match entry:
        case Card():
            return CARD, encode(CardValue(entry))
        case Lead():
            value = LeadValue(entry.epoch, str(entry.state), entry.video, entry.audio, entry.kbps, entry.over)
            return LEAD + entry.stream, encode(value)
        case Replica():
            return REPLICA + entry.stream, encode(ReplicaValue(entry.epoch, entry.supplier, entry.path))


def decode_entry(origin: str, key: str, value: bytes) -> Card | Lead | Replica | None:
    """What an origin says under this key, or None if it makes no sense here: it may be of a newer version."""
    try:
        content = decode(value)
        if isinstance(content, CardValue) and key == CARD:
            check_card(content.card, Sender(origin, content.card.boot))
            return content.card
        stream, streams = key[2:], isinstance(content, LeadValue | ReplicaValue)
        if not streams or not stream.isprintable() or not 0 <= content.epoch <= MAX_EPOCH:
            return None
        if isinstance(content, LeadValue) and key == LEAD + stream:
            state = LeadState(content.state)
            video, audio = content.video, content.audio
            return Lead(origin, stream, content.epoch, state, video, audio, content.kbps, content.over)
        if isinstance(content, ReplicaValue) and key == REPLICA + stream:
            return Replica(origin, stream, content.epoch, content.supplier, content.path)
    except (WireError, ValueError):
        pass
    return None
