"""Where clients and nodes stand: zones, and the round trips between nodes.

A zone is a name that the operator gives to nodes and clients; "" is a zone like any other.
"""

import ipaddress
from collections.abc import Iterable

from mesh.config.zone import Costs, Zones, prefix
from mesh.gossip.member import Member
from mesh.gossip.tables import Tables

BAND_MS = 10.0
"""Round trips are compared in steps of this: less is jitter, not distance."""
UNKNOWN = 1 << 16
"""The distance of a node that was not measured: farther than any that was."""


def zone_of(ip: str, zones: Zones, places: Iterable[str] = ()) -> str:
    """The zone of an address, by the longest prefix, else by the first of its places that has one; "" if none has."""
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


def client_zone(zone: str, tables: Tables) -> str:
    """The zone of a client: the one it is known to be in, else that of the node it asked."""
    return zone or tables.members[tables.me].zone


def distance(member: Member, zone: str, tables: Tables) -> int:
    """How far a node is from a zone, in steps of the round trip from here; 0 within the zone."""
    if member.zone == zone or member.id == tables.me:
        return 0
    link = tables.members[tables.me].links.get(member.id)
    return min(int(link.rtt_ms / BAND_MS), UNKNOWN) if link else UNKNOWN
