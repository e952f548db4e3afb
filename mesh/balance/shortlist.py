"""shortlist(): whom to judge for a client, where judging every node would take too long.

Zones are gone through from the best on, until none can offer a better score than was found. In each of them a few
nodes are judged that have the stream and a few that would have to fetch it. The ids of nodes are hashes, so those of a
zone in their order are a ring, and a client who is hashed to a point of it meets the same nodes there whichever node it
asks, and almost the same ones when others come or go.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from math import inf
from random import Random

from mesh.balance.candidate import Candidate, Judge, rank
from mesh.balance.request import Request
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
        start = bisect_left(ring, rank(request.sid)) if request.sid else random.randrange(len(ring))
        having = [node for node in _turned(ring, start) if node in judge.roles]
        lacking = (node for node in _turned(ring, bisect_left(ring, rank(request.stream))) if node not in judge.roles)
        for nodes in (having, lacking):
            found += islice(_able(nodes, tables, judge), EACH)
    return found


def _turned(ring: Sequence[str], start: int) -> Iterable[str]:
    """The ring from this place on, once around."""
    return chain(islice(ring, start, None), islice(ring, start))


def _able(nodes: Iterable[str], tables: Tables, judge: Judge) -> Iterator[Candidate]:
    judged = (judge(tables.members[node]) for node in nodes if node != tables.me)
    return (candidate for candidate in judged if not candidate.lost)
