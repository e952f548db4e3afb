"""What the API answers: a dataclass for each JSON object, its fields named as in the contract."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from mesh.gossip.member import Link, Load


def optional(default: Any) -> Any:
    """A field that is left out of the JSON while it has this value."""
    return field(default=default, metadata={"optional": True})


@dataclass(frozen=True, slots=True)
class Problem:
    """The body of every refusal."""

    error: str


@dataclass(frozen=True, slots=True)
class Urls:
    """Where clients reach a node."""

    rtmp: str
    http: str


@dataclass(frozen=True, slots=True)
class Node:
    """One node, as the answering one sees it."""

    id: str
    name: str
    zone: str
    status: str
    incarnation: int
    urls: Urls
    load: Load
    links: dict[str, Link]
    """By the name of the peer, as this node measured them."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """`/api/v1/nodes`"""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Replica:
    """A node that holds a stream without leading it."""

    node: str
    supplier: str | None
    """Whom it fetches from; None while it has nobody."""
    depth: int
    """Hops from the leader."""
    head: int | None
    """Where its log ends; None if it did not say."""


@dataclass(frozen=True, slots=True)
class Branch(Replica):
    """The same in a relay tree."""

    players: int | None
    """How many it serves itself."""
    replicas: tuple["Branch", ...]
    """Those who fetch from it."""
    lag_ms: int | None = optional(None)
    """How late its supplier sent it the newest frames; left out, like the next two, if it did not say."""
    skips: int | None = optional(None)
    losses: int | None = optional(None)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: its leader, and its replicas as a list or as a tree."""

    stream: str
    leader: str | None
    """None while its publisher is gone."""
    epoch: int
    head: int | None
    standby: tuple[str, ...]
    replicas: tuple[Replica, ...]
    """A flat list, or `Branch`es for a stream that was asked for alone."""
    players: int
    """In the whole mesh."""
    kbps: int
    video: str
    audio: str
    state: str
    partial: tuple[str, ...] = optional(())
    """As in `Streams`; for a stream that was asked for alone."""


@dataclass(frozen=True, slots=True)
class Streams:
    """`/api/v1/streams`"""

    streams: tuple[Stream, ...]
    partial: tuple[str, ...] = optional(())
    """Nodes that did not say what they hold, so that heads and players lack."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One stream on its way from one node to the next."""

    stream: str
    node: str
    supplier: str
    lag_ms: int | None
    """How late the supplier sent the newest frames; None, like the next two, if the node did not say."""
    skips: int | None
    """How often it went on at a keyframe, because it came too late."""
    losses: int | None
    """How often something got lost on the way, and was fetched again."""
    rtt_ms: float | None
    """Of the way between the two, as the node measured it; None, like the next two, if it has not."""
    jitter_ms: float | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class Quality:
    """`/api/v1/quality`"""

    hops: tuple[Hop, ...]
    partial: tuple[str, ...] = optional(())
    """As in `Streams`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that could have been chosen."""

    node: str
    zone: str
    role: str
    """What it has of the stream: "leader", "replica" or nothing."""
    terms: dict[str, float]
    """What its score is made of, each from 0 to 1."""
    score: float
    """The sum of the weighted terms; the lower the better."""
    lost: str
    """Why it was not chosen; empty for the one that was."""


@dataclass(frozen=True, slots=True)
class Route:
    """`/api/v1/route`"""

    action: str
    """serve, redirect or refuse."""
    reasons: tuple[str, ...]
    node: str = optional("")
    url: str = optional("")
    status: int = optional(0)
    """What a client that is refused gets: 404, 409 or 503."""
    weights: Mapping[str, float] | None = optional(None)
    """What each term counts for; with `candidates`."""
    candidates: tuple[Candidate, ...] = optional(())
    others: int = optional(0)
    """How many nodes besides those were not looked at: in a large mesh most cannot be better."""


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to a call that changes something: it is done, or has begun."""

    node: str
    order: str
    """drain, undrain, switch or preload."""
    stream: str = optional("")


def body(reply: Any) -> str:
    """The JSON of a reply."""
    return json.dumps(_plain(reply), ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        items = [(field, getattr(value, field.name)) for field in fields(value)]
        return {
            field.name: _plain(item)
            for field, item in items
            if "optional" not in field.metadata or item != field.default
        }
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
