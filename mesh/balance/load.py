"""How busy a node is: where it is full, and what share of each resource it has used.

All of it is read from the `Load` that rides in heartbeats, so it is up to a second old.
"""

from collections.abc import Callable, Mapping

from mesh.config.weight import LIMITS
from mesh.gossip.member import Load

Limits = Mapping[str, float]

FULL: tuple[tuple[Callable[[Load, Limits], bool], str], ...] = (
    (lambda load, limits: bool(load.ill), "{load.ill}"),
    (lambda load, limits: load.mem >= limits["memory"], "memory at {load.mem:.0%}"),
    (lambda load, limits: load.loop_lag_ms >= limits["lag_ms"], "event loop {load.loop_lag_ms:.0f} ms late"),
    # A machine at 100 % whose loop still answers in time has room: another program takes what this one leaves.
    (
        lambda load, limits: load.cpu >= limits["cpu"] and load.loop_lag_ms >= limits["lag_ms"] / 2,
        "cpu at {load.cpu:.0%}",
    ),
    (
        lambda load, limits: 0 < load.capacity_bps * limits["bandwidth"] <= load.tx_bps,
        "sends {load.tx_bps:,} of {load.capacity_bps:,} b/s",
    ),
    (lambda load, limits: 0 < limits["players"] <= load.players, "{load.players} players"),
)
"""What leaves a node no room for another client, and how to say so."""


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
    for is_full, words in FULL[1:] if last_resort and load.usable else FULL:
        if is_full(load, limits):
            return words
    return ""
