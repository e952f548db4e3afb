"""suppliers(): from whom this node fetches a stream, best first.

A pure function of the tables, like place().
"""

from collections.abc import Container

from mesh.gossip.member import Status
from mesh.gossip.tables import Tables

HEARD = frozenset({Status.JOINING, Status.ALIVE, Status.DRAINING})
"""A node in one of these can be fetched from, and still has the publisher it speaks of. In any other state it may have
lost him, and then he is not to be refused by his own ghost."""


def suppliers(stream: str, tables: Tables, besides: Container[str] = ()) -> tuple[str, ...]:
    """Who can feed this node, the best first: never itself, nor one that it feeds, nor any of `besides`."""
    lead = tables.leader(stream)
    holders = [lead.node] if lead else []
    holders += [replica.node for replica in tables.replicas(stream) if tables.me not in replica.path]
    return tuple(
        node
        for node in dict.fromkeys(holders)
        if node != tables.me and node not in besides and tables.members[node].status in HEARD
    )
