"""How busy a node is: where it is full, and what share of each resource it has used.

All of it is read from the `Load` that rides in heartbeats, so it is up to a second old.
"""

from collections.abc import Mapping

from mesh.config.weight import LIMITS
from mesh.gossip.member import Load

Limits = Mapping[str, float]


def full(load: Load, limits: Limits = LIMITS, last_resort: bool = False) -> str:
    """The first resource that is used up, in words; empty if the node has room.

    An ill node has none, unless it is the `last_resort` and still usable.
    """
    return lack(load, limits, last_resort).format(load=load)


def spent(load: Load, more_bps: int) -> bool:
    """Whether it cannot send so much more: all of its streams would be late."""
    return 0 < load.capacity_bps < load.tx_bps + more_bps


def lack(load: Load, limits: Limits, last_resort: bool) -> str:
    """The same with its figures still to be filled in, which takes longer than to find it."""
    if load.ill and not (last_resort and load.usable):
        return "{load.ill}"
    if load.mem >= limits["memory"]:
        return "memory at {load.mem:.0%}"
    if load.loop_lag_ms >= limits["lag_ms"]:
        return "event loop {load.loop_lag_ms:.0f} ms late"
    # A machine at 100 % whose loop still answers in time has room: another program takes what this one leaves.
    if load.cpu >= limits["cpu"] and load.loop_lag_ms >= limits["lag_ms"] / 2:
        return "cpu at {load.cpu:.0%}"
    if 0 < load.capacity_bps * limits["bandwidth"] <= load.tx_bps:
        return "sends {load.tx_bps:,} of {load.capacity_bps:,} b/s"
    if 0 < load.capacity_bps * limits["bandwidth"] <= load.rx_bps:
        return "receives {load.rx_bps:,} of {load.capacity_bps:,} b/s"
    if 0 < limits["players"] <= load.players:
        return "{load.players} players"
    return ""
