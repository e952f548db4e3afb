"""Where clients and nodes stand: zones, and the round trips between nodes.

A zone is a name that the operator gives to nodes and clients; "" is a zone like any other.
"""

import ipaddress
from collections.abc import Iterable

from mesh.config.zone import Costs, Zones, prefix
from mesh.gossip.member import Link, Member
from mesh.gossip.tables import Tables

CLOSE, FAR = Link(0.0, 0.0), Link(200.0, 0.0)
"""Links that nobody has measured yet, within a zone and beyond."""


def zone_of(ip: str, zones: Zones, places: Iterable[str] = ()) -> str:
    """The zone of an address, by the longest prefix, else by the first of its places that has one; "" if none has."""
    if not zones:
        return ""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    networks = (prefix(address, length) for length in range(address.max_prefixlen, -1, -1))
    return next((zones[key] for keys in (networks, places) for key in keys if key in zones), "")


def cost(source: str, target: str, costs: Costs) -> float:
    """What traffic from one zone to another costs, in units of the operator's; as the other way round, if need be."""
    ways = (source, target), (target, source)
    return next((costs[way] for way in ways if way in costs), float(source != target))


def dearest(costs: Costs) -> float:
    """The most that any traffic costs."""
    return max([1.0, *costs.values()])


def client_zone(zone: str, tables: Tables) -> str:
    """The zone of a client: the one it is known to be in, else that of the node it asked."""
    return zone or tables.members[tables.me].zone


def witness(zone: str, tables: Tables) -> Member:
    """The node whose links tell how far others are from a zone: this one, if it is there or nobody is."""
    me = tables.members[tables.me]
    there = (tables.members[node] for node in tables.zones.get(zone, ()))
    return me if me.zone == zone else next((member for member in there if member.status.living), me)


def link(near: Member, far: Member) -> Link:
    """The way between two nodes, as either of them measured it; if neither did, they are close only within a zone."""
    known = near.links.get(far.id) or far.links.get(near.id)
    return known or (CLOSE if near.zone == far.zone else FAR)
