"""Orders: what an operator tells one node to do, passed on to it by whichever node he asked."""

from dataclasses import dataclass
from enum import StrEnum

from mesh.media.wire import message


class Verb(StrEnum):
    """What a node can be told to do."""

    DRAIN = "drain"
    """Be rid of all clients, and take no new ones."""
    UNDRAIN = "undrain"
    """Take clients again."""
    SWITCH = "switch"
    """Let the standby that waits at this node lead the stream."""


@message(90)
@dataclass(frozen=True, slots=True)
class Order:
    """Do this."""

    nonce: int
    verb: str
    stream: str
    """For `Verb.SWITCH`; or else empty."""


@message(91)
@dataclass(frozen=True, slots=True)
class Obeyed:
    """It is done, or has begun; or it cannot be done."""

    nonce: int
    status: int
    """As in HTTP."""
    problem: str
    """Why it cannot be done; empty if it can."""
