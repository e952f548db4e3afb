"""place(): the node for a publisher or a player, and why.

A pure function, so the node, the simulator and `meshctl route --explain` answer alike. Three steps: some nodes cannot
take the client at all, because they are not alive, or full, or could not get the stream; the others get a score, the
sum of weighted terms; and among those whose scores are about equal the node that was asked serves, else a draw decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from mesh.balance.candidate import Candidate, Judge
from mesh.balance.load import Limits, full
from mesh.balance.request import Action, Request
from mesh.balance.room import Rooms
from mesh.balance.shortlist import shortlist
from mesh.balance.supply import HEARD
from mesh.balance.term import MOVING, TERMS, score
from mesh.config import BalanceConfig
from mesh.gossip.member import LeadState, Status
from mesh.gossip.tables import Tables

__all__ = ["Action", "Candidate", "Placement", "Redirect", "Refuse", "Request", "Serve", "place"]


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
    request: Request, tables: Tables, config: BalanceConfig, rooms: Rooms, random: Random, now: float
) -> Placement:
    """Decide where this client goes; `random` differs from node to node, so that they do not all draw the same."""
    if request.action == Action.PUBLISH and (owner := _publishing(request, tables)):
        return Refuse(409, (f"{request.stream} is live on {tables.display_name(owner)}",))
    if request.action == Action.PLAY and not _held(request.stream, tables):
        return Refuse(404, (f"no node has {request.stream}",))
    if not config.redirect:
        request = replace(request, redirect=False)
    weighed, candidates = _candidates(request, tables, config, rooms, random, now)
    able = [candidate for candidate in candidates if not candidate.lost]
    asked = tables.display_name(tables.me)
    if not able:
        mine = f"{asked} {candidates[0].lost}"
        if other := _elsewhere(request, tables, config, rooms, random, now):
            return Refuse(503, (mine, f"{other} can take it"), tuple(candidates))
        return Refuse(503, (f"no node can take it: {mine}",), tuple(candidates))
    best = _choose(able, weighed, config, bool(request.sid))
    # Why each of the others lost takes as long as the choice itself, and nobody reads it.
    shown = candidates if request.explain else candidates[:1]
    judged = tuple(_judged(candidate, best, weighed, config.margin) for candidate in shown)
    reasons = _merits(best, request, tables)
    if best.here:
        return Serve((*reasons, request.tied) if request.tied else reasons, judged)
    return Redirect(best.node, (*reasons, f"{asked} {judged[0].lost}"), judged)


def _elsewhere(
    request: Request, tables: Tables, config: BalanceConfig, rooms: Rooms, random: Random, now: float
) -> str:
    """The name of the node that would serve a client who cannot be sent on; "" if there is none."""
    if not request.tied:
        return ""
    free = replace(request, proto="flv", via="", redirect=True)
    placement = place(free, tables, replace(config, redirect=True), rooms, random, now)
    return tables.display_name(placement.node) if isinstance(placement, Redirect) else ""


def _held(stream: str, tables: Tables) -> bool:
    """Whether any living node has the stream."""
    members = tables.members
    holding = (node in members and members[node].status.living for node in tables.holders(stream))
    return bool(tables.leader(stream)) or any(holding)


def _publishing(request: Request, tables: Tables) -> str:
    for lead in tables.leads(request.stream):
        if lead.state == LeadState.LIVE and lead.node != request.over and tables.members[lead.node].status in HEARD:
            return lead.node
    return ""


def _candidates(
    request: Request, tables: Tables, config: BalanceConfig, rooms: Rooms, random: Random, now: float
) -> tuple[Mapping[str, float], list[Candidate]]:
    """What the terms of their scores count for, and the nodes to choose from, the asked one first."""
    for resort in range(len(rooms.resorts)):
        judge = Judge(request, tables, config, rooms, random, now, resort)
        candidates = shortlist(request, tables, judge, random)
        if not judge.relents or not all(candidate.lost for candidate in candidates):
            break
        if request.tied and _others(tables, config.limits):
            break
    return judge.weights, [*map(judge.explained, candidates)] if request.explain else candidates


def _others(tables: Tables, limits: Limits) -> bool:
    """Whether any node but this one is well and has room."""
    others = (member for id, member in tables.members.items() if id != tables.me)
    return any(member.status == Status.ALIVE and not full(member.load, limits) for member in others)


def _choose(able: Sequence[Candidate], weights: Mapping[str, float], config: BalanceConfig, sticky: bool) -> Candidate:
    """The best; among equals the node that was asked, unless a session belongs to another."""
    if config.algorithm == "twochoice":
        able = _two(able, weights, config.margin)
    least = min(candidate.score for candidate in able)
    equals = [candidate for candidate in able if candidate.score <= least + config.margin]
    return min(equals, key=lambda candidate: (sticky or not candidate.here, candidate.draw))


def _two(able: Sequence[Candidate], weights: Mapping[str, float], margin: float) -> Sequence[Candidate]:
    """Two drawn from those that only their load tells apart, and the node that was asked if it is one of those."""
    lasting = {name: weight for name, weight in weights.items() if name not in MOVING}
    scores = [score({name: it.terms[name] for name in lasting}, lasting) for it in able]
    alike = [it for it, its in zip(able, scores, strict=True) if its <= min(scores) + margin]
    drawn = sorted(candidate.draw for candidate in alike)[:2]
    return [candidate for candidate in alike if candidate.here or candidate.draw <= drawn[-1]]


def _judged(candidate: Candidate, best: Candidate, weights: Mapping[str, float], margin: float) -> Candidate:
    """The candidate and why it lost: by the term that told it most from the best."""
    if candidate.lost or candidate is best:
        return candidate
    if candidate.score < best.score - margin:
        return candidate._replace(lost="was not drawn")
    if candidate.score <= best.score + margin:
        return candidate._replace(lost="is not the node that was asked" if best.here else "loses the draw among equals")
    worst = max(weights, key=lambda name: weights[name] * (candidate.terms[name] - best.terms[name]))
    return candidate._replace(lost=TERMS[worst].lost)


def _merits(best: Candidate, request: Request, tables: Tables) -> tuple[str, ...]:
    """Why this one is the best."""
    name, ill = tables.display_name(best.node), tables.members[best.node].load.ill
    having = {"leader": "leads the stream", "replica": "has a replica of the stream"}
    merit = having.get(best.role, "can fetch the stream")
    if request.action == Action.PUBLISH:
        merit = "has room for a publisher"
    return (f"{name} {merit}", f"nobody else can take it, though {name} is ill: {ill}")[: 2 if ill else 1]
