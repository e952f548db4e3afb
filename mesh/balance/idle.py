"""What becomes of a copy of a stream that nobody plays any more: how long it lingers, and whom it feeds until then.

Pure functions of the tables. Trees grow as players come; these two take them back as players go.
"""

from dataclasses import replace

from mesh.balance.load import full
from mesh.balance.locality import cost, dearest
from mesh.balance.supply import DEFAULTS
from mesh.config import BalanceConfig
from mesh.gossip.member import Member, Status
from mesh.gossip.tables import Tables

RELOAD_S = 2.0
"""However much it costs, a copy is there for the player who only loads his page again."""


def linger_s(stream: str, tables: Tables, most: float, config: BalanceConfig = DEFAULTS) -> float:
    """How long this node goes on fetching it: `most` where that costs nothing, less the more it costs."""
    own = tables.holders(stream).get(tables.me)
    supplier = tables.members.get(own.supplier) if own else None
    if supplier is None:
        return most
    share = cost(supplier.zone, tables.members[tables.me].zone, config.cost) / dearest(config.cost)
    return max(most * (1 - share), min(most, RELOAD_S))


def shortcut(stream: str, tables: Tables, config: BalanceConfig = DEFAULTS) -> str:
    """Who is to feed this node's followers in its stead: its own supplier, if that costs less; else "".

    Where it costs the same, that is only for a single follower: then its supplier feeds no more nodes than before.
    """
    held, members = tables.replicas(stream), tables.members
    own = next((replica for replica in held if replica.node == tables.me), None)
    supplier = members.get(own.supplier) if own else None
    fed = [members[replica.node] for replica in held if replica.supplier == tables.me]
    if not fed or supplier is None or supplier.status != Status.ALIVE:
        return ""

    def price(source: Member, target: Member) -> float:
        return cost(source.zone, target.zone, config.cost)

    here, lead = members[tables.me], tables.leader(stream)
    past = sum(price(supplier, follower) for follower in fed)
    through = price(supplier, here) + sum(price(here, follower) for follower in fed)
    more = (len(fed) - 1) * 1000 * lead.kbps if lead else 0
    load = replace(supplier.load, tx_bps=supplier.load.tx_bps + more)
    return "" if (past, len(fed)) > (through, 1) or full(load, config.limits) else supplier.id
