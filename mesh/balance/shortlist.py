"""shortlist(): whom to judge for a client, where judging every node would take too long.

The client's own zone comes first, then the others from the best on, until none can offer a better score than was
found. In each of them a few nodes are judged that have the stream, from the session's point of the zone's ring on, and,
unless one of those is good enough, a few that would have to fetch it, from the stream's point on. Where it is to be
explained, some of those that were passed over are told as well.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf
from random import Random

from mesh.balance.candidate import Candidate, Judge
from mesh.balance.request import Request
from mesh.balance.ring import rank, turned
from mesh.gossip.tables import Tables

EACH = 8
"""Nodes that have the stream, and as many that have not, to judge of each zone."""
ENOUGH = 48
"""Candidates to choose among, however many zones there are."""
FEW = 16
"""A mesh of so many nodes or less is judged whole."""


def shortlist(request: Request, tables: Tables, judge: Judge, random: Random) -> list[Candidate]:
    """The candidates for this client, the asked node first."""
    members, here = tables.members, judge(tables.members[tables.me])
    if len(members) <= FEW:
        return [here, *(judge(member) for member in members.values() if member.id != tables.me)]
    if request.tied:
        return [here]
    found, lost = [here], list[Candidate]()

    def able(nodes: Iterable[str]) -> Iterator[Candidate]:
        """The first few that can take the client."""
        for member in map(members.__getitem__, nodes):
            if candidate := judge.able(member):
                yield candidate
            elif request.explain and len(lost) < ENOUGH and member.id != tables.me:
                lost.append(judge(member))

    def look(zone: str, bound: float) -> None:
        ring = tables.zones.get(zone, ())
        point = rank(request.sid) if request.sid or not ring else random.choice(ring)
        having = (node for node in turned(ring, point) if node in judge.roles)
        found.extend(islice(able(having), EACH))
        if _best(found) > bound + judge.weights.get("stream", 0.0):
            lacking = (node for node in turned(ring, rank(request.stream)) if node not in judge.roles)
            found.extend(islice(able(lacking), EACH))

    look(judge.zone, 0.0)
    if _best(found) > judge.weights.get("zone", 0.0):
        beyond = ((judge.bound(zone), random.random(), zone) for zone in tables.zones if zone != judge.zone)
        for bound, _, zone in sorted(beyond):
            if _best(found) <= bound or len(found) > ENOUGH:
                break
            look(zone, bound)
    others = [candidate for candidate in found[1:] if not candidate.here]
    if request.sid and len(others) == len(found) - 1:
        # Asked elsewhere, the session would not have met this node.
        here = here._replace(draw=1.0)
    return [here, *others, *lost]


def _best(found: Iterable[Candidate]) -> float:
    return min((candidate.score for candidate in found if not candidate.lost), default=inf)
