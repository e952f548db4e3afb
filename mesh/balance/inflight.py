"""InFlight: clients that this node has just sent somewhere, and that the other's reports do not count yet.

A report is up to a second old. Who goes by it alone sends a whole second of clients to the one node that looked idle;
who adds what it sent itself, stops in time.
"""

from collections import deque
from collections.abc import Callable
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
    arrived: Callable[[Load], int]
    """How many such clients a report counts."""
    clients: deque[Client] = field(default_factory=deque)
    bps: int = 0
    """Of all of them together."""

    def take_off(self, client: Client) -> None:
        """One more."""
        self.clients.append(client)
        self.bps += client.bps

    def land(self, report: Load, now: float) -> None:
        """Forget those who arrived, as far as the report counts more of them, and those who never will."""
        if report is not self.report:
            for _ in range(min(self.arrived(report) - self.arrived(self.report), len(self.clients))):
                self.bps -= self.clients.popleft().bps
            self.report = report
        while self.clients and self.clients[0].sent <= now - EXPIRES_S:
            self.bps -= self.clients.popleft().bps


class InFlight:
    """The clients on the way, by the node they were sent to."""

    def __init__(self) -> None:
        self._players: dict[str, Flight] = {}
        self._publishers: dict[str, Flight] = {}

    def send(self, member: Member, bps: int, now: float) -> None:
        """A player was sent to this node, for a stream of so many bits per second."""
        self._players.setdefault(member.id, Flight(member.load, _players)).take_off(Client(now, bps))

    def bring(self, member: Member, bps: int, now: float) -> None:
        """A publisher was sent to this node, of so many bits per second."""
        self._publishers.setdefault(member.id, Flight(member.load, _streams)).take_off(Client(now, bps))

    def load(self, member: Member, now: float) -> Load:
        """What the node reported, and what is on the way to it."""
        load = member.load
        if flight := _under_way(self._players, member, now):
            load = replace(load, players=load.players + len(flight.clients), tx_bps=load.tx_bps + flight.bps)
        if flight := _under_way(self._publishers, member, now):
            load = replace(load, streams=load.streams + len(flight.clients), rx_bps=load.rx_bps + flight.bps)
        return load


def _under_way(flights: dict[str, Flight], member: Member, now: float) -> Flight | None:
    """Those who are still on the way to this node."""
    flight = flights.get(member.id)
    if flight is None:
        return None
    flight.land(member.load, now)
    if not flight.clients:
        del flights[member.id]
        return None
    return flight


def _players(report: Load) -> int:
    return report.players


def _streams(report: Load) -> int:
    return report.streams
