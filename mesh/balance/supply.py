"""suppliers(): from whom this node fetches a stream, best first.

A pure function of the tables, by the same terms as place(). The relay trees that grow out of it branch before a node
has too many to feed, and where traffic costs anything they have one entrance into each zone: of several nodes of a zone
that fetch from beyond it, the one whose rank is the least goes on, and the others move below it. All who look agree on
which one that is, so no two of them ever move below each other.
"""

from collections import Counter
from collections.abc import Container, Mapping
from itertools import chain, islice
from operator import attrgetter

from mesh.balance.load import full
from mesh.balance.locality import cost, dearest, link
from mesh.balance.ring import rank, turned
from mesh.balance.term import Sight, score, values
from mesh.config import BalanceConfig
from mesh.gossip.member import Member, Replica, Status
from mesh.gossip.tables import Tables

HEARD = frozenset({Status.JOINING, Status.ALIVE, Status.DRAINING})
"""A node in one of these can be fetched from, and still has the publisher it speaks of. In any other state it may have
lost him, and then he is not to be refused by his own ghost."""
ENOUGH = 12
"""Holders to choose among, of however many: the leader, then those of the own zone."""
STAY = 1.0
"""By how much a score must be better than the supplier's that one has: about a hop."""
DEFAULTS = BalanceConfig()


def suppliers(
    stream: str, tables: Tables, besides: Container[str] = (), config: BalanceConfig = DEFAULTS
) -> tuple[str, ...]:
    """Who can feed this node, the best first: never itself, nor one that it feeds, nor any of `besides`."""
    holders, lead, me = tables.holders(stream), tables.leader(stream), tables.members[tables.me]
    own, leader = holders.get(me.id), lead.node if lead else ""
    supplier = own.supplier if own else ""
    children = Counter(map(attrgetter("supplier"), holders.values()))
    children[supplier] -= 1
    most = dearest(config.cost)
    entrance = _entrance(stream, holders, tables) if supplier in tables.members else ""

    def able(member: Member) -> bool:
        replica = holders.get(member.id)
        path = (*replica.path, replica.supplier) if replica and member.id != leader else ()
        below = member.zone != me.zone or not entrance or (entrance in (member.id, *path) and entrance != me.id)
        return member.status in HEARD and me.id not in (member.id, *path) and member.id not in besides and below

    def order(member: Member) -> tuple[bool, int, str]:
        replica, way = holders.get(member.id), link(me, member)
        sight = Sight(
            load=member.load,
            limits=config.limits,
            cost=cost(member.zone, me.zone, config.cost) / most,
            rtt_ms=way.rtt_ms,
            loss=way.loss,
            jitter_ms=way.jitter_ms,
            depth=len(replica.path) if replica and member.id != leader else 0,
            children=children[member.id],
        )
        worth = score(values(sight, config.supply), config.supply) - STAY * (member.id == supplier)
        leaves = member.status is not Status.ALIVE or bool(full(member.load, config.limits))
        return leaves, round(worth / (config.margin or 1e-6)), rank(me.id, member.id)

    near = (node for node in turned(tables.zones[me.zone], me.id) if node in holders and node != leader)
    far = (
        node for node in holders if node != leader and node in tables.members and tables.members[node].zone != me.zone
    )
    members = (tables.members[node] for node in chain([leader] if lead else [], near, far))
    return tuple(member.id for member in sorted(islice(filter(able, members), ENOUGH), key=order))


def _entrance(stream: str, holders: Mapping[str, Replica], tables: Tables) -> str:
    """The node of this one's zone through which the stream comes into it, if this one also fetches from beyond."""
    zone = tables.members[tables.me].zone

    def enters(node: str) -> bool:
        replica = holders.get(node)
        supplier = tables.members.get(replica.supplier) if replica else None
        return supplier is not None and supplier.zone != zone and tables.members[node].status in HEARD

    if not enters(tables.me):
        return ""
    return min(filter(enters, tables.zones[zone]), key=lambda node: rank(stream, node))
