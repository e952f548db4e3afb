"""InFlight: clients that this node has just sent somewhere, and that the other's reports do not count yet.

A report is up to a second old. Who goes by it alone sends a whole second of clients to the one node that looked idle;
who adds what it sent itself, stops in time.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from mesh.gossip.member import Load, Member

EXPIRES_S = 3.0
"""Who has not arrived after this will not: the client went elsewhere, or others left meanwhile."""


class Client(NamedTuple):
    """One who is on the way."""

    sent: float
    bps: int


@dataclass(slots=True)
class Flight:
    """All who are on the way to one node."""

    report: Load
    """The newest one that was looked at."""
    clients: deque[Client] = field(default_factory=deque)
    bps: int = 0
    """Of all of them together."""

    def take_off(self, client: Client) -> None:
        """One more."""
        self.clients.append(client)
        self.bps += client.bps

    def land(self, report: Load, now: float) -> None:
        """Forget those who arrived, as far as the report counts more players, and those who never will."""
        if report is not self.report:
            for _ in range(min(report.players - self.report.players, len(self.clients))):
                self.bps -= self.clients.popleft().bps
            self.report = report
        while self.clients and self.clients[0].sent <= now - EXPIRES_S:
            self.bps -= self.clients.popleft().bps


class InFlight:
    """The clients on the way, by the node they were sent to."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}

    def send(self, member: Member, bps: int, now: float) -> None:
        """A client was sent to this node, for a stream of so many bits per second."""
        self._flights.setdefault(member.id, Flight(member.load)).take_off(Client(now, bps))

    def load(self, member: Member, now: float) -> Load:
        """What the node reported, and what is on the way to it."""
        flight = self._flights.get(member.id)
        if flight is None:
            return member.load
        flight.land(member.load, now)
        if not flight.clients:
            del self._flights[member.id]
            return member.load
        load = member.load
        return replace(load, players=load.players + len(flight.clients), tx_bps=load.tx_bps + flight.bps)
