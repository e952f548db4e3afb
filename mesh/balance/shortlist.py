"""shortlist(): whom to judge for a client, where judging every node would take too long.

Zones are gone through from the best on, until none can offer a better score than was found. In each of them a few
nodes are judged that have the stream, from the session's point of the zone's ring on, and a few that would have to
fetch it, from the stream's point on.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf
from random import Random

from mesh.balance.candidate import Candidate, Judge
from mesh.balance.request import Request
from mesh.balance.ring import rank, turned
from mesh.gossip.tables import Tables

EACH = 12
"""Nodes that have the stream, and as many that have not, to judge of each zone."""
ENOUGH = 64
"""Candidates to choose among, however many zones there are."""
FEW = 24
"""A mesh of so many nodes or less is judged whole."""


def shortlist(request: Request, tables: Tables, judge: Judge, random: Random) -> list[Candidate]:
    """The candidates for this client, the asked node first."""
    members, here = tables.members, judge(tables.members[tables.me])
    if request.explain or len(members) <= FEW:
        return [here, *(judge(member) for member in members.values() if member.id != tables.me)]
    found = [here]
    if request.tied:
        return found
    for bound, _, zone in sorted((judge.bound(zone), random.random(), zone) for zone in tables.zones):
        if len(found) > ENOUGH or bound >= min((it.score for it in found if not it.lost), default=inf):
            break
        ring = tables.zones[zone]
        point = rank(request.sid) if request.sid else random.choice(ring)
        having = (node for node in turned(ring, point) if node in judge.roles)
        lacking = (node for node in turned(ring, rank(request.stream)) if node not in judge.roles)
        for nodes in (having, lacking):
            found += islice(_able(nodes, tables, judge), EACH)
    return found


def _able(nodes: Iterable[str], tables: Tables, judge: Judge) -> Iterator[Candidate]:
    judged = (judge(tables.members[node]) for node in nodes if node != tables.me)
    return (candidate for candidate in judged if not candidate.lost)
