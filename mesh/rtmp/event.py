"""What a session tells its driver."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """A client wants to publish APP/NAME: `accept_publish` or `reject_publish`. Its media may follow at once."""

    app: str
    name: str
    query: Mapping[str, str]
    """The parameters, wherever the client put them: a token is in here."""


@dataclass(frozen=True, slots=True)
class PlayRequested:
    """A client wants to play APP/NAME: `accept_play` or `reject_play`."""

    app: str
    name: str
    query: Mapping[str, str]
    start: float
    """Negative for what is live; in ms, though GStreamer sends seconds."""


class MessageReceived(NamedTuple):
    """A message of the stream. A tuple, because thousands are made each second."""

    kind: int
    """A `Kind`."""
    timestamp: int
    """In ms, modulo 2**32, as received."""
    payload: bytes
    """The body of the FLV tag."""


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The publisher said that it is done; it may publish again."""

    reason: str


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """The player said that it is done, or the server that the stream is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The player paused, or goes on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Published:
    """The server takes our stream."""


@dataclass(frozen=True, slots=True)
class Playing:
    """The server gives us the stream."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server refused."""

    code: str
    description: str


Event = (
    PublishRequested
    | PlayRequested
    | MessageReceived
    | PublishEnded
    | PlayEnded
    | Paused
    | Published
    | Playing
    | Rejected
)
