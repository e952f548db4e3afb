"""Balance: where clients go: place(), with what only this node knows: their zones, and whom it has just sent where."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from mesh.balance.candidate import weights
from mesh.balance.locality import zone_of
from mesh.balance.policy import Action, Placement, Redirect, Refuse, Request, place
from mesh.balance.room import Rooms
from mesh.config import BalanceConfig
from mesh.errors import NoRoom, NotAllowed, StreamError, StreamNotFound, StreamTaken
from mesh.gossip.member import Status
from mesh.net.geoip import Places
from mesh.net.gossip import Gossip

REFUSALS: dict[int, type[StreamError]] = {404: StreamNotFound, 409: StreamTaken, 503: NoRoom}
LEAVING = "is draining"
"""The reason for which clients are sent on whom a node serves already."""
CAUSES = {StreamNotFound: "not found", StreamTaken: "taken", NoRoom: "no room", NotAllowed: "not allowed"}


class Balance:
    """Places the clients that come to this node, and counts those whom it does not serve itself."""

    def __init__(self, config: BalanceConfig, gossip: Gossip, places: Places) -> None:
        """`places` tells where in the world an address is, as far as that is known."""
        self.redirects: Counter[tuple[str, str]] = Counter()
        """Clients sent elsewhere, by protocol and reason."""
        self.refusals: Counter[tuple[str, str]] = Counter()
        """Clients sent away, by protocol and reason."""
        self._config = config
        self._places = places
        self._gossip = gossip
        self._rooms = Rooms(config.limits)
        self._random = Random()

    def zone_of(self, ip: str) -> str:
        """The zone of a client's address; "" if nobody knows."""
        return zone_of(ip, self._config.zones, self._places(ip))

    def place(self, request: Request) -> Placement:
        """Where a client would go, and why."""
        return place(request, self._gossip.tables, self._config, self._rooms, self._random, _now())

    def weights(self, request: Request) -> dict[str, float]:
        """What the terms of a client's scores count for."""
        return weights(self._config, request)

    def send(self, request: Request) -> Redirect | None:
        """Where a client goes now; None if it is served here. Raises `StreamError` if nobody can serve it."""
        placement = self.place(request)
        if isinstance(placement, Refuse):
            raise REFUSALS[placement.status]("; ".join(placement.reasons))
        redirect = placement if isinstance(placement, Redirect) else None
        if redirect:
            # Without the figures after the colon there are few reasons.
            cause = redirect.candidates[0].lost.partition(":")[0]
            self.redirects[request.proto, cause] += 1
        self._set_off(request, redirect.node if redirect else self._gossip.id)
        return redirect

    def onward(self, request: Request) -> Redirect | None:
        """Where a player of this node goes on, if it drains, and counts from now on; None if nowhere."""
        tables = self._gossip.tables
        leaving = tables.members[tables.me].status is Status.DRAINING
        placement = self.place(request) if leaving else None
        if not isinstance(placement, Redirect):
            return None
        self.redirects[request.proto, LEAVING] += 1
        self._set_off(request, placement.node)
        return placement

    def successor(self, stream: str, zone: str) -> str:
        """Where a publisher of this node had better go: to who serves the stream best; "" if he has no better place."""
        placement = self.place(Request(stream, zone=zone))
        leads = self._gossip.tables.leads(stream)
        free = isinstance(placement, Redirect) and placement.node not in {lead.node for lead in leads}
        return placement.node if isinstance(placement, Redirect) and free else ""

    @contextmanager
    def refusing(self, proto: str) -> Iterator[None]:
        """Count who is sent away within."""
        try:
            yield
        except StreamError as error:
            self.refusals[proto, CAUSES.get(type(error), "bad request")] += 1
            raise

    def _set_off(self, request: Request, node: str) -> None:
        """Count a client towards the load of its node until that node does so itself."""
        tables, inflight = self._gossip.tables, self._rooms.inflight
        if request.action == Action.PUBLISH:
            # What he will send nobody knows: as much, perhaps, as the streams send that are here.
            load = tables.members[tables.me].load
            inflight.bring(tables.members[node], load.rx_bps // max(1, load.streams), _now())
        else:
            lead = tables.leader(request.stream)
            inflight.send(tables.members[node], lead.kbps * 1000 if lead else 0, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
