"""Where clients and nodes stand: zones, and the round trips between nodes.

A zone is a name that the operator gives to nodes and clients; "" is a zone like any other.
"""

from mesh.gossip.member import Member
from mesh.gossip.tables import Tables

BAND_MS = 10.0
"""Round trips are compared in steps of this: less is jitter, not distance."""
UNKNOWN = 1 << 16
"""The distance of a node that was not measured: farther than any that was."""


def client_zone(zone: str, tables: Tables) -> str:
    """The zone of a client: the one it is known to be in, else that of the node it asked."""
    return zone or tables.members[tables.me].zone


def distance(member: Member, zone: str, tables: Tables) -> int:
    """How far a node is from a zone, in steps of the round trip from here; 0 within the zone."""
    if member.zone == zone or member.id == tables.me:
        return 0
    link = tables.members[tables.me].links.get(member.id)
    return min(int(link.rtt_ms / BAND_MS), UNKNOWN) if link else UNKNOWN
