"""How busy a node is: whether it has room, and how it compares with others.

All of it is read from the `Load` that rides in heartbeats, so it is up to a second old.
"""

from collections.abc import Callable

from mesh.gossip.member import Load

MEMORY = 0.95
BANDWIDTH = 0.90
LOOP_LAG_MS = 500.0
CPU, CPU_LAG_MS = 0.95, 250.0
"""A machine at 100 % whose loop still answers in time has room: another program takes what this one leaves."""

FULL: tuple[tuple[Callable[[Load], bool], str], ...] = (
    (lambda load: bool(load.ill), "{load.ill}"),
    (lambda load: load.mem >= MEMORY, "memory at {load.mem:.0%}"),
    (lambda load: load.loop_lag_ms >= LOOP_LAG_MS, "event loop {load.loop_lag_ms:.0f} ms late"),
    (lambda load: load.cpu >= CPU and load.loop_lag_ms >= CPU_LAG_MS, "cpu at {load.cpu:.0%}"),
    (
        lambda load: 0 < load.capacity_bps <= load.tx_bps / BANDWIDTH,
        "sends {load.tx_bps:,} of {load.capacity_bps:,} b/s",
    ),
)
"""What leaves a node no room for another client, and how to say so."""


def full(load: Load) -> str:
    """The first resource that is used up, in words; empty if the node has room."""
    return next((words.format(load=load) for is_full, words in FULL if is_full(load)), "")


def pressure(load: Load) -> int:
    """How hard it works, in tenths: coarse, because two nodes that differ by less are equals."""
    sent = load.tx_bps / load.capacity_bps if load.capacity_bps else 0.0
    return int(10 * max(load.cpu, sent, load.loop_lag_ms / LOOP_LAG_MS))
