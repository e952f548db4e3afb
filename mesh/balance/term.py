"""TERMS: what a node's score is made of. Each is from 0, the best, to 1, and has words for who loses by it.

A term that nobody can tell, like the bandwidth of a node that does not know its capacity, is 0 for all alike.
"""

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import NamedTuple

from mesh.gossip.member import Load

FAR_MS = 400.0
"""A round trip as long as this, or longer, is as far as can be."""
NEAR_MS = 10.0
"""It counts in steps of this: nobody notices less, and who is a little nearer is not to get everybody."""
UNSTEADY_MS = 100.0
"""A jitter as large as this is as bad as can be; it counts in the same steps."""
MANY = 100
"""Of players and streams, whose number has no end, so many are half of it."""
DEEP, WIDE = 8, 16
"""Hops to the end of a deep relay tree, and the branches of a node that has half of all it should ever have."""
CROWDED = 0.75
"""From this share on of what its clients may fill, a node has little room: others begin to win over it."""
STEPS = 4
"""From there until it is full."""
FINE = 1 << 20
"""The digits of a draw after this many have nothing to do with those that decide among equals."""


class Sight(NamedTuple):
    """A node in the light of a request: what the terms look at."""

    load: Load
    """What it reported, and what is on the way to it."""
    limits: Mapping[str, float]
    grown: float = 1.0
    """The share of its capacity that it may fill yet: a young node is filled by a ramp."""
    away: bool = False
    """Whether it is in another zone than the client."""
    cost: float = 0.0
    """Of traffic between it and the client; 1 is the dearest there is."""
    rtt_ms: float = 0.0
    loss: float = 0.0
    """Of messages on the way to it."""
    jitter_ms: float = 0.0
    here: bool = False
    """Whether it is the node that was asked."""
    role: str = ""
    """What it has of the stream: "leader", "replica" or nothing."""
    depth: int = 0
    """How many hops its copy has come."""
    children: int = 0
    """How many nodes fetch the stream from it."""
    draw: float = 0.0
    """Settles what nothing else does."""


class Term(NamedTuple):
    """One thing that tells nodes apart."""

    lost: str
    """Why the others lost."""
    value: Callable[[Sight], float]


def _bandwidth(sight: Sight) -> float:
    limit = sight.load.capacity_bps * sight.limits["bandwidth"] * sight.grown
    return max(sight.load.tx_bps, sight.load.rx_bps) / limit if limit else 0.0


def _players(sight: Sight) -> float:
    players, limit = sight.load.players / sight.grown, sight.limits["players"]
    return players / limit if limit else players / (players + MANY)


def _room(sight: Sight) -> float:
    """0 until a node is crowded, then up to 1 where it is full, by what its clients have filled most.

    In steps: if one could be a little better than all others, everybody would rush to that one.
    """
    filled = max(_bandwidth(sight), _players(sight) if sight.limits["players"] else 0.0)
    return ceil(STEPS * (filled - CROWDED) / (1 - CROWDED)) / STEPS


def _young(sight: Sight) -> bool:
    """Whether others go before it this time: where nobody knows how much it can carry, chance makes the ramp."""
    known = sight.load.capacity_bps or sight.limits["players"]
    return not known and sight.draw * FINE % 1 >= sight.grown


TERMS: Mapping[str, Term] = {
    "zone": Term("is in another zone", lambda sight: sight.away),
    "cost": Term("costs more to reach", lambda sight: sight.cost),
    "rtt": Term("is farther away", lambda sight: min(sight.rtt_ms, FAR_MS) // NEAR_MS * NEAR_MS / FAR_MS),
    "room": Term("has less room left", _room),
    "young": Term("has only just started", _young),
    "stream": Term("does not have the stream", lambda sight: not sight.role),
    "asked": Term("is not the node that was asked", lambda sight: not sight.here),
    "bandwidth": Term("has less bandwidth left", _bandwidth),
    "cpu": Term("has a busier CPU", lambda sight: sight.load.cpu),
    "lag": Term("has a later event loop", lambda sight: sight.load.loop_lag_ms / sight.limits["lag_ms"]),
    "players": Term("has more players", _players),
    "memory": Term("has less memory left", lambda sight: sight.load.mem),
    "streams": Term("has more streams", lambda sight: sight.load.streams / (sight.load.streams + MANY)),
    "loss": Term("has a lossier way", lambda sight: sight.loss),
    "jitter": Term("has a less steady way", lambda sight: sight.jitter_ms // NEAR_MS * NEAR_MS / UNSTEADY_MS),
    "depth": Term("is more hops away from the leader", lambda sight: sight.depth / DEEP),
    "children": Term("feeds more nodes", lambda sight: sight.children / (sight.children + WIDE)),
    "draw": Term("loses the draw", lambda sight: sight.draw),
}
PLACE = frozenset({"zone", "cost", "rtt"})
"""The terms that are much the same for all nodes of a zone."""
MOVING = frozenset({"bandwidth", "cpu", "lag", "players", "memory", "streams", "loss", "jitter"})
"""The terms that move with every report. The others say what kind of choice a node is."""


def values(sight: Sight, names: Iterable[str]) -> dict[str, float]:
    """These terms."""
    found = {}
    for name in names:
        value = TERMS[name].value(sight)
        found[name] = 0.0 if value <= 0 else 1.0 if value >= 1 else float(value)
    return found


def score(terms: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The lower the better."""
    return sum([weights[name] * value for name, value in terms.items()])
