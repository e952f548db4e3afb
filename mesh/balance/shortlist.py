"""shortlist(): whom to judge for a client, where judging every node would take too long.

The client's own zone comes first, then the others from the best on, until none can offer a better score than was
found. In each of them a few nodes are judged that have the stream, from the session's point of the zone's ring on, and,
unless one of those is good enough, a few that would have to fetch it, from the stream's point on. Where it is to be
explained, some of those that were passed over are told as well.
"""

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
    search = Search(request, tables, judge, random, here)
    search.run()
    others = [candidate for candidate in search.found[1:] if not candidate.here]
    if request.sid and len(others) == len(search.found) - 1:
        # Asked elsewhere, the session would not have met this node.
        here = here._replace(draw=1.0)
    return [here, *others, *judge.lost]


class Search:
    """Goes from zone to zone until none can offer a better score than was found."""

    def __init__(self, request: Request, tables: Tables, judge: Judge, random: Random, here: Candidate) -> None:
        self.found = [here]
        self._request, self._tables, self._judge, self._random = request, tables, judge, random
        self._stream = rank(request.stream)

    def run(self) -> None:
        """Look at as few as will do."""
        judge, zones = self._judge, self._tables.zones
        self._look(judge.zone, 0.0)
        if self._best() > judge.weights.get("zone", 0.0):
            beyond = ((judge.bound(zone), self._random.random(), zone) for zone in zones if zone != judge.zone)
            for bound, _, zone in sorted(beyond):
                if self._best() <= bound or len(self.found) > ENOUGH:
                    break
                self._look(zone, bound)

    def _look(self, zone: str, bound: float) -> None:
        """At a few of this zone that have the stream, and a few that have not."""
        ring, roles, sid = self._tables.zones.get(zone, ()), self._judge.roles, self._request.sid
        point = rank(sid) if sid or not ring else self._random.choice(ring)
        if self._judge.passes_over(zone):
            return  # after the draw, so that what is explained is what was decided
        having = (node for node in turned(ring, point) if node in roles)
        self.found.extend(islice(self._judge.able(having), EACH))
        if self._best() > bound + self._judge.weights.get("stream", 0.0):
            lacking = (node for node in turned(ring, self._stream) if node not in roles)
            self.found.extend(islice(self._judge.able(lacking), EACH))

    def _best(self) -> float:
        return min((candidate.score for candidate in self.found if not candidate.lost), default=inf)
