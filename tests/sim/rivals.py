"""Rivals: the ways in which others choose a server, beside ours, on the same stale reports."""

from collections.abc import Callable
from random import Random

from mesh.balance import policy
from mesh.balance.policy import Redirect, Refuse, Request
from mesh.config.weight import LIMITS
from tests.sim.fleet import BPS, Fleet, Host

TRIES = 20
"""Draws until one is found that has room."""
Choose = Callable[[Fleet, Host, Request], Host | None]
"""The host that takes a player who asked this one; None if he is refused."""


def ours(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """place(), as the nodes run it."""
    tables = fleet.tables
    tables.me = asked.id
    reported = tables.members[asked.id]
    tables.set_member(policy.replace(reported, load=asked.load()))
    placement = policy.place(request, tables, fleet.config, asked.rooms, asked.random, fleet.now)
    tables.set_member(reported)
    if isinstance(placement, Refuse):
        return None
    if isinstance(placement, Redirect):
        asked.rooms.inflight.send(tables.members[placement.node], BPS, fleet.now)
        return fleet.hosts[placement.node]
    return asked


def at_random(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """Any host that has room."""
    return _roomy(fleet, asked.random)


def round_robin(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """Each in turn; every host that is asked goes round by itself."""
    hosts = [*fleet.hosts.values()]
    for _ in hosts:
        asked.turn = (asked.turn + 1) % len(hosts)
        if _has_room(hosts[asked.turn]):
            return hosts[asked.turn]
    return None


def least_connections(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """The one with the fewest players for its size."""
    return min(filter(_has_room, fleet.hosts.values()), key=_share, default=None)


def two_choices(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """The better of two."""
    drawn = [host for host in (_roomy(fleet, asked.random), _roomy(fleet, asked.random)) if host]
    return min(drawn, key=_share, default=None)


def least_of_the_zone(fleet: Fleet, asked: Host, request: Request) -> Host | None:
    """The one with the fewest players in the player's zone; only if that is full, of all."""
    near = (fleet.hosts[id] for id in fleet.tables.zones[request.zone])
    return min(filter(_has_room, near), key=_share, default=None) or least_connections(fleet, asked, request)


def _roomy(fleet: Fleet, random: Random) -> Host | None:
    hosts = [*fleet.hosts.values()]
    return next((host for host in random.choices(hosts, k=TRIES) if _has_room(host)), None)


def _has_room(host: Host) -> bool:
    return host.alive and _share(host) < LIMITS["bandwidth"]


def _share(host: Host) -> float:
    load = host.member.load
    return load.tx_bps / load.capacity_bps


WAYS: dict[str, Choose] = {
    "ours": ours,
    "random": at_random,
    "round robin": round_robin,
    "least connections": least_connections,
    "two choices": two_choices,
    "least of the zone": least_of_the_zone,
}
