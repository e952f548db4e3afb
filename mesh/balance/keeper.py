"""keepers(): the nodes that hold a stream although nobody may play it there.

A pure function of the tables, asked by the leader again and again: whoever is lost is replaced, and whoever holds the
stream already goes before others, so that little moves.
"""

from collections.abc import Collection, Iterable

from mesh.balance.load import Limits, full
from mesh.balance.ring import rank
from mesh.config.pattern import EVERYWHERE, Care
from mesh.config.weight import LIMITS
from mesh.gossip.member import Member, Status
from mesh.gossip.tables import Tables


def keepers(
    stream: str, tables: Tables, care: Care, limits: Limits = LIMITS, barren: Collection[str] = ()
) -> tuple[str, ...]:
    """Which nodes besides this one, the leader, and the `barren`: one in each zone of `preload`, `replicas` in all."""
    if not care.preload and not care.replicas:
        return ()
    here = tables.members[tables.me].zone
    chosen: list[Member] = []
    for zone in zones(care.preload, tables):
        there = [tables.members[id] for id in tables.zones[zone] if id not in barren]
        if zone != here and (best := best_of(stream, tables, there, limits)):
            chosen.append(best)
    while len(chosen) < care.replicas:
        taken = {here, *(member.zone for member in chosen)}
        rest = [m for m in tables.members.values() if m not in chosen and m.id not in barren]
        elsewhere = [member for member in rest if member.zone not in taken]
        best = best_of(stream, tables, elsewhere, limits) or best_of(stream, tables, rest, limits)
        if best is None:
            break
        chosen.append(best)
    return tuple(member.id for member in chosen)


def best_of(stream: str, tables: Tables, members: Iterable[Member], limits: Limits = LIMITS) -> Member | None:
    """The one of these that would keep the stream; None if none of them can."""
    held = tables.holders(stream)
    able = [m for m in members if m.id != tables.me and m.status == Status.ALIVE and not full(m.load, limits)]
    return min(able, key=lambda member: (member.id not in held, rank(stream, member.id)), default=None)


def zones(names: Iterable[str], tables: Tables) -> list[str]:
    """These zones, as far as they have nodes."""
    named = set(names)
    return [zone for zone in sorted(tables.zones) if zone in named or EVERYWHERE in named]
