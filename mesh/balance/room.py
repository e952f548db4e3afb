"""Rooms: how far each node must be driven to take another client, found out once for each of its reports.

When a whole mesh is full, every client asks about every node; what reports say need not be read again for each, nor for
each node of a zone where nothing is new.
"""

from collections.abc import Iterable, Iterator, Mapping

from mesh.balance.inflight import InFlight
from mesh.balance.load import Limits, lack
from mesh.config.weight import LIMITS
from mesh.gossip.member import Load, Member
from mesh.gossip.tables import Tables

RESERVE = 0.05
"""The share of its room that a node keeps for those who ask it: the others know a second late how full it is."""
FILLED = ("bandwidth", "players")
"""The limits that clients fill."""
MANY = 4096
"""Nodes and zones that are remembered, until so many have come and gone."""


class Rooms:
    """The room of all nodes, as one of them sees it."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.inflight = InFlight()
        """Whom this node has just sent to others."""
        reserved = {**limits, **{name: limits[name] * (1 - RESERVE) for name in FILLED}}
        self.resorts = (reserved, False), (limits, False), (limits, True)
        """The limits, and whether nodes that are ill take clients: the next only if nobody else is left."""
        self._known: dict[str, tuple[Load, int]] = {}
        self._full: dict[str, tuple[int, bool]] = {}
        """By zone, as of when it was looked at."""

    def full(self, zone: str, tables: Tables) -> bool:
        """Whether no node of this zone takes anybody, as any resort."""
        written, (seen, full) = tables.written.get(zone, 0), self._full.get(zone, (-1, False))
        if seen != written:
            if len(self._full) >= MANY:
                self._full.clear()
            resorts = (resort for _, resort in self.resorts_of(tables.zones.get(zone, ()), tables.members))
            full = all(resort == len(self.resorts) for resort in resorts)
            self._full[zone] = written, full
        return full

    def resorts_of(self, nodes: Iterable[str], members: Mapping[str, Member]) -> Iterator[tuple[Member, int]]:
        """Each of these nodes, and the first resort as which it takes clients of others; beyond the last if as none.

        By its report: whoever is on the way to it can only leave it less room.
        """
        known = self._known
        for node in nodes:
            member = members[node]
            seen = known.get(node)
            if seen is None or seen[0] is not member.load:
                seen = self._look(member)
            yield member, seen[1]

    def _look(self, member: Member) -> tuple[Load, int]:
        """At a new report."""
        if len(self._known) >= MANY:
            self._known.clear()
        load, resort = member.load, len(self.resorts)
        # Those that are full are many at a time, so they are found first.
        if not lack(load, *self.resorts[-1]):
            resort = next(number for number, bounds in enumerate(self.resorts) if not lack(load, *bounds))
        seen = self._known[member.card.id] = load, resort
        return seen
