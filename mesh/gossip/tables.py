"""The mesh as one node sees it: the only place where gossip meets balancing.

`Membership` writes the tables, everyone else reads them. Reading is cheap: streams and names are looked up in maps,
and what belongs to members that are dead or left is held back, because they may return with it.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from itertools import count

from mesh.gossip.member import Lead, LeadState, Member, Replica

LEADING = frozenset({LeadState.LIVE, LeadState.STALLED})
PREFIX = 6
"""Digits of its id that tell a node from an older one of the same name."""


class Tables:
    """Members and the entries they published, by id, by name and by stream."""

    def __init__(self, me: str, members: Iterable[Member] = (), entries: Iterable[Lead | Replica] = ()) -> None:
        self.me = me
        self.written: dict[str, int] = {}
        """Grows when a member of a zone is written: who has summed one up knows by this when to do it again."""
        self._writes = count(1)
        self._members: dict[str, Member] = {}
        self._zones: dict[str, list[str]] = {}
        self._names: dict[str, str] | None = None
        self._leads: dict[str, dict[str, Lead]] = {}
        self._replicas: dict[str, dict[str, Replica]] = {}
        for member in members:
            self.set_member(member)
        for entry in entries:
            self.set_entry(entry)

    @property
    def members(self) -> Mapping[str, Member]:
        """Every known node by its id, this one included."""
        return self._members

    @property
    def zones(self) -> Mapping[str, Sequence[str]]:
        """The members of each zone, in the order of their ids. Those are hashes: this is a ring to hash clients to."""
        return self._zones

    def listed(self) -> list[Member]:
        """The members to show: without the dead whose name a living one bears."""
        alive = {member.name for member in self._members.values() if member.status.living}
        return [member for member in self._members.values() if member.status.living or member.name not in alive]

    def display_name(self, id: str) -> str:
        """A member's name, made unique: the oldest keeps it, a younger one is NAME-idprefix."""
        if self._names is None:
            self._names = self._unique_names()
        return self._names.get(id, id[:PREFIX])

    def by_name(self, name: str) -> Member | None:
        """The member that is displayed under this name."""
        return next((member for member in self.listed() if self.display_name(member.id) == name), None)

    def streams(self) -> Iterable[str]:
        """Every stream that a living member leads or holds."""
        known = sorted(self._leads.keys() | self._replicas.keys())
        return [stream for stream in known if self.leads(stream) or self.replicas(stream)]

    def leads(self, stream: str) -> list[Lead]:
        """Who leads this stream, claims to or waits to, the highest (epoch, node) first."""
        leads = [lead for lead in self._leads.get(stream, {}).values() if self._living(lead.node)]
        return sorted(leads, key=lambda lead: (lead.epoch, lead.node), reverse=True)

    def leader(self, stream: str) -> Lead | None:
        """The one that is the stream: the highest (epoch, node) of those that lead it."""
        return next((lead for lead in self.leads(stream) if lead.state in LEADING), None)

    def epoch(self, stream: str) -> int:
        """The newest that anybody leads or holds; 0 if nobody does."""
        entries: list[Lead | Replica] = [*self.leads(stream), *self.replicas(stream)]
        return max((entry.epoch for entry in entries), default=0)

    def replicas(self, stream: str) -> list[Replica]:
        """Who holds a copy of this stream's log, in the order of their ids."""
        held = self.holders(stream)
        return [held[node] for node in sorted(held) if self._living(node)]

    def holders(self, stream: str) -> Mapping[str, Replica]:
        """Who says that it holds a copy, by its id; some of them may be dead."""
        return self._replicas.get(stream, {})

    def set_member(self, member: Member) -> None:
        """Write or replace a member."""
        old = self._members.get(member.card.id)
        self.written[member.card.zone] = next(self._writes)
        if old and old.card is member.card and old.status is member.status and old.born == member.born:
            self._members[member.card.id] = member  # its load, with every heartbeat
            return
        if old is None or (old.name, old.status.living, old.born) != (member.name, member.status.living, member.born):
            self._names = None
        if old is None or old.zone != member.zone:
            self._leave_zone(member.id)
            insort(self._zones.setdefault(member.zone, []), member.id)
        self._members[member.id] = member

    def forget_member(self, id: str) -> None:
        """Drop a member; its entries are dropped one by one before."""
        self._leave_zone(id)
        self._members.pop(id, None)
        self._names = None

    def set_entry(self, entry: Lead | Replica) -> None:
        """Write or replace what one node says about one stream."""
        if isinstance(entry, Lead):
            self._leads.setdefault(entry.stream, {})[entry.node] = entry
        else:
            self._replicas.setdefault(entry.stream, {})[entry.node] = entry

    def drop_entry(self, entry: Lead | Replica) -> None:
        """Drop what one node said about one stream."""
        index: dict[str, dict[str, Lead]] | dict[str, dict[str, Replica]]
        index = self._leads if isinstance(entry, Lead) else self._replicas
        index.get(entry.stream, {}).pop(entry.node, None)
        if not index.get(entry.stream):
            index.pop(entry.stream, None)

    def _leave_zone(self, id: str) -> None:
        if member := self._members.get(id):
            zone = self._zones[member.zone]
            self.written[member.zone] = next(self._writes)
            del zone[bisect_left(zone, id)]
            if not zone:
                del self._zones[member.zone], self.written[member.zone]

    def _living(self, node: str) -> bool:
        member = self._members.get(node)
        return member is not None and member.status.living

    def _unique_names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        taken: set[str] = set()
        for member in sorted(self._members.values(), key=lambda m: (not m.status.living, m.born, m.id)):
            names[member.id] = f"{member.name}-{member.id[:PREFIX]}" if member.name in taken else member.name
            taken.add(member.name)
        return names
