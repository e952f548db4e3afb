"""deputy(): who is to feed a node that asks this one for a stream.

A pure function of the tables. A node that is full feeds one replica all the same, because that one can feed everyone;
unless it sends all that it can.
"""

from mesh.balance.load import Limits, full, spent
from mesh.config.weight import LIMITS
from mesh.gossip.member import Load, Status
from mesh.gossip.tables import Tables


def deputy(stream: str, follower: str, tables: Tables, load: Load, limits: Limits = LIMITS) -> str:
    """This node while it has room, by its `load` of this moment; else one of those it feeds, or "" if nobody can."""
    if not full(load, limits):
        return tables.me
    fed = [
        replica
        for replica in tables.replicas(stream)
        if tables.me in replica.path
        and follower not in (replica.node, *replica.path)
        and tables.members[replica.node].status == Status.ALIVE
    ]
    able = [replica for replica in fed if not full(tables.members[replica.node].load, limits)]
    lead = tables.leader(stream)
    if not able and (fed or spent(load, 1000 * lead.kbps if lead else 0)):
        return ""
    best = min(able, key=lambda r: (len(r.path), tables.members[r.node].load.relays, r.node), default=None)
    return best.node if best else tables.me
