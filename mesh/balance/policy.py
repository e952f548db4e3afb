"""place(): the node for a publisher or a player, and why.

A pure function of the tables, so the node, the simulator and `meshctl route --explain` answer alike. Two steps. Some
nodes cannot take the client at all: they are not alive, or full, or could not get the stream. The others are compared
by the criteria of the action, one after the other; who loses, loses by the first that tells it from the winner.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from random import Random
from typing import NamedTuple

from mesh.balance.inflight import InFlight
from mesh.balance.load import full, pressure
from mesh.balance.locality import client_zone, distance
from mesh.balance.supply import HEARD
from mesh.config import BalanceConfig
from mesh.gossip.member import LeadState, Load, Member, Status
from mesh.gossip.tables import Tables

STAYS = frozenset({"rtmp", "rtmps", "ws", "wss"})
"""Protocols whose clients follow no redirect."""


class Action(StrEnum):
    """What the client wants."""

    PLAY = "play"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Request:
    """A client that asks this node for a stream."""

    stream: str
    action: Action = Action.PLAY
    proto: str = "flv"
    zone: str = ""
    """Where the client is; empty if nobody knows."""
    via: str = ""
    """The node that sent it here: it is not sent on."""
    redirect: bool = True
    """Whether it may be sent to another node."""
    sid: str = ""
    """Names a session: all its requests go to the same node as long as they can."""
    explain: bool = False
    """Whether every node is to be judged, or no more than it takes to decide."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One node in the light of one request."""

    node: str
    zone: str
    role: str
    """What it has of the stream: "leader", "replica" or nothing."""
    here: bool
    """Whether it is the node that was asked."""
    near: bool
    """Whether it is in the client's zone."""
    distance: int
    pressure: int
    draw: int
    """Settles what nothing else does, differently for each stream (rendezvous hashing)."""
    lost: str = ""
    """Why it was not chosen; empty for the one that was."""


class Criterion(NamedTuple):
    """One way to compare candidates; the least wins."""

    lost: str
    """Why the others lost."""
    cost: Callable[[Candidate], int]


NEAR = Criterion("is in another zone", lambda candidate: not candidate.near)
HOLDS = Criterion("does not have the stream", lambda candidate: not candidate.role)
HERE = Criterion("is not the node that was asked", lambda candidate: not candidate.here)
CLOSE = Criterion("is farther away", lambda candidate: candidate.distance)
IDLE = Criterion("is busier", lambda candidate: candidate.pressure)
DRAW = Criterion("loses the draw among equals", lambda candidate: candidate.draw)

CRITERIA = {
    Action.PLAY: (NEAR, HOLDS, HERE, CLOSE, IDLE, DRAW),
    Action.PUBLISH: (HERE, NEAR, CLOSE, IDLE, DRAW),
}
"""In the order of their weight: a zone with room keeps its players; then who has the stream; then who was asked."""


@dataclass(frozen=True, slots=True)
class Serve:
    """This node takes the client, and fetches the stream if need be."""

    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another node takes it."""

    node: str
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """No node takes it."""

    status: int
    """As in HTTP: 404 nobody has the stream, 409 it is live already, 503 nobody has room."""
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()


Placement = Serve | Redirect | Refuse


def place(
    request: Request, tables: Tables, config: BalanceConfig, inflight: InFlight, random: Random, now: float
) -> Placement:
    """Decide where this client goes; `random` differs from node to node, so that they do not all draw the same."""
    roles = _roles(request.stream, tables)
    if request.action == Action.PLAY and not roles:
        return Refuse(404, (f"no node has {request.stream}",))
    if request.action == Action.PUBLISH and (owner := _publishing(request.stream, tables)):
        return Refuse(409, (f"{request.stream} is live on {tables.display_name(owner)}",))
    tied = _tied(request)
    candidates = _candidates(request, tables, roles, tied, inflight, now)
    able = [candidate for candidate in candidates if not candidate.lost]
    if not able:
        here = next(candidate for candidate in candidates if candidate.here)
        return Refuse(503, (f"no node can take it: {tables.display_name(here.node)} {here.lost}",), candidates)
    criteria = CRITERIA[request.action]
    best = min(able, key=lambda candidate: [criterion.cost(candidate) for criterion in criteria])
    candidates = tuple(_judged(candidate, best, criteria) for candidate in candidates)
    reasons = (f"{tables.display_name(best.node)} {_merit(best, request.action)}",)
    if best.here:
        return Serve((*reasons, tied) if tied else reasons, candidates)
    here = next(candidate for candidate in candidates if candidate.here)
    return Redirect(best.node, (*reasons, f"{tables.display_name(here.node)} {here.lost}"), candidates)


def _roles(stream: str, tables: Tables) -> dict[str, str]:
    roles = {replica.node: "replica" for replica in tables.replicas(stream)}
    if leader := tables.leader(stream):
        roles[leader.node] = "leader"
    return roles


def _publishing(stream: str, tables: Tables) -> str:
    for lead in tables.leads(stream):
        if lead.state == LeadState.LIVE and tables.members[lead.node].status in HEARD:
            return lead.node
    return ""


def _tied(request: Request) -> str:
    """Why the client cannot be sent on; empty if it can."""
    if request.proto in STAYS:
        return f"{request.proto} clients follow no redirect"
    if request.via:
        return "it was redirected here"
    return "" if request.redirect else "it asked for no redirect"


def _candidates(
    request: Request, tables: Tables, roles: Mapping[str, str], tied: str, inflight: InFlight, now: float
) -> tuple[Candidate, ...]:
    zone = client_zone(request.zone, tables)
    needs_supplier = request.action == Action.PLAY and not any(tables.members[node].status in HEARD for node in roles)

    def candidate(member: Member) -> Candidate:
        role = roles.get(member.id, "")
        load = inflight.load(member, now)
        lost = _unable(member, load) or ("cannot get the stream" if needs_supplier and not role else "")
        return Candidate(
            node=member.id,
            zone=member.zone,
            role=role,
            here=member.id == tables.me,
            near=member.zone == zone,
            distance=distance(member, zone, tables),
            pressure=pressure(load),
            draw=_draw(request.stream, member.id),
            lost=f"is not the node that was asked: {tied}" if tied and member.id != tables.me else lost,
        )

    return tuple(candidate(member) for member in tables.members.values())


def _unable(member: Member, load: Load) -> str:
    if member.status != Status.ALIVE:
        return f"is {member.status}"
    lack = full(load)
    return f"is full: {lack}" if lack else ""


def _draw(stream: str, node: str) -> int:
    return int.from_bytes(blake2b(f"{stream} {node}".encode(), digest_size=8).digest(), "big")


def _judged(candidate: Candidate, best: Candidate, criteria: Iterable[Criterion]) -> Candidate:
    if candidate.lost or candidate is best:
        return candidate
    worse = next(criterion for criterion in criteria if criterion.cost(candidate) > criterion.cost(best))
    return replace(candidate, lost=worse.lost)


def _merit(best: Candidate, action: Action) -> str:
    if action == Action.PUBLISH:
        return "has room for a publisher"
    return {"leader": "leads the stream", "replica": "has a replica of the stream"}.get(
        best.role, "can fetch the stream"
    )
