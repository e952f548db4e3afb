"""Beliefs: what a node of SWIM holds of all others, whom it suspects and what it tells on, as memberlist does it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, log, log10
from random import Random

from mesh.gossip.member import Status
from tests.sim.schedule import Timers

INTERVAL_S = 1.0
"""Between two probes, in which suspicion is measured."""
SUSPICION = 4
"""Times the logarithm of the number of nodes, times the probe interval: the least time to object."""
SUSPICION_MOST = 6
"""Times the least."""
CONFIRMATIONS = SUSPICION - 2
RETRANSMIT = 4
TO_THE_DEAD_S = 30.0
"""For which the dead are gossiped to; then they are forgotten."""
PACKET = 1400
BYTES = {Status.ALIVE: 140, Status.SUSPECT: 70, Status.DEAD: 70}
"""What a fact takes up in a packet, about."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What somebody says of a node."""

    host: int
    status: Status
    incarnation: int
    by: int


@dataclass(slots=True)
class Known:
    """What a node holds of another."""

    status: Status
    incarnation: int
    changed: float


@dataclass(slots=True)
class Accused:
    """A suspicion, whose time shrinks as others confirm it."""

    started: float
    least: float
    wanted: int
    accusers: set[int]

    @property
    def until(self) -> float:
        share = log(len(self.accusers)) / log(self.wanted + 1) if self.wanted else 1.0
        return self.started + self.least * max(1.0, SUSPICION_MOST - share * (SUSPICION_MOST - 1))


@dataclass(slots=True)
class Rumour:
    """A fact that is being told, and how often it has been."""

    fact: Fact
    order: int
    told: int = 0


class Beliefs:
    """Of one node, which knows so many others from the start."""

    def __init__(self, schedule: Timers, random: Random, host: int, size: int, objected: Callable[[], None]) -> None:
        """With what is to happen when the node had to object to its own death."""
        self.known = {other: Known(Status.ALIVE, 1, 0.0) for other in range(size)}
        self.rumours: dict[int, Rumour] = {}
        self.log: list[tuple[float, int, Status]] = []
        self.turns: list[int] = []
        """Whom to probe next, from the end."""
        self._schedule, self._random, self._host, self._objected = schedule, random, host, objected
        self._accused: dict[int, Accused] = {}
        self._told = 0

    def forget_the_dead(self) -> None:
        """Those of whom nobody need be told any more."""
        now = self._schedule.now
        for host, known in [*self.known.items()]:
            if known.status is Status.DEAD and now - known.changed > TO_THE_DEAD_S:
                del self.known[host]

    def some(self, most: int, statuses: Iterable[Status], without: int | None = None) -> list[int]:
        """At most so many others of these statuses, at random."""
        fit = [host for host, known in self.known.items() if known.status in statuses]
        fit = [host for host in fit if host not in (self._host, without)]
        return self._random.sample(fit, min(most, len(fit)))

    def to_tell(self) -> tuple[Fact, ...]:
        """Those told least, the larger and newer ones first, as many as a packet takes."""
        most, room, told = RETRANSMIT * ceil(log10(len(self.known) + 1)), PACKET, []
        for rumour in sorted(self.rumours.values(), key=lambda it: (it.told, -BYTES[it.fact.status], -it.order)):
            if BYTES[rumour.fact.status] <= room:
                room -= BYTES[rumour.fact.status]
                told.append(rumour.fact)
                rumour.told += 1
                if rumour.told >= most:
                    del self.rumours[rumour.fact.host]
        return tuple(told)

    def learn(self, fact: Fact) -> None:
        """Take what somebody says, if it is news."""
        known = self.known.get(fact.host)
        if fact.host == self._host:
            self._refute(fact)
        elif fact.status is Status.ALIVE:
            if known is None or fact.incarnation > known.incarnation:
                self._accused.pop(fact.host, None)
                self._hold(fact)
        elif known is None or fact.incarnation < known.incarnation:
            return
        elif fact.status is Status.DEAD:
            self._accused.pop(fact.host, None)
            if known.status is not Status.DEAD:
                self._hold(fact)
        elif fact.host in self._accused:
            self._confirm(fact)
        elif known.status is Status.ALIVE:
            self._accuse(fact)

    def _refute(self, fact: Fact) -> None:
        me = self.known[self._host]
        if fact.status is not Status.ALIVE and fact.incarnation >= me.incarnation:
            me.incarnation = fact.incarnation + 1
            self._objected()
            self._tell(Fact(self._host, Status.ALIVE, me.incarnation, self._host))

    def _accuse(self, fact: Fact) -> None:
        size = len(self.known)
        wanted = CONFIRMATIONS if size - 2 >= CONFIRMATIONS else 0
        least = SUSPICION * max(1.0, log10(size)) * INTERVAL_S
        accused = self._accused[fact.host] = Accused(self._schedule.now, least, wanted, {fact.by})
        self._hold(fact)
        self._schedule.at(accused.until, self._judge, fact.host, accused)

    def _confirm(self, fact: Fact) -> None:
        accused = self._accused[fact.host]
        if len(accused.accusers) <= accused.wanted and fact.by not in accused.accusers:
            accused.accusers.add(fact.by)
            self._tell(fact)
            self._schedule.at(max(accused.until, self._schedule.now), self._judge, fact.host, accused)

    def _judge(self, host: int, accused: Accused) -> None:
        if self._accused.get(host) is accused and self._schedule.now >= accused.until:
            self.learn(Fact(host, Status.DEAD, self.known[host].incarnation, self._host))

    def _hold(self, fact: Fact) -> None:
        known, now = self.known.get(fact.host), self._schedule.now
        if known is None:
            self.turns.insert(self._random.randrange(len(self.turns) + 1), fact.host)
        if known is None or known.status is not fact.status:
            self.log.append((now, fact.host, fact.status))
            self.known[fact.host] = Known(fact.status, fact.incarnation, now)
        else:
            known.incarnation = fact.incarnation
        self._tell(fact)

    def _tell(self, fact: Fact) -> None:
        """What is newer about a node replaces what was to be told of it."""
        self._told += 1
        self.rumours[fact.host] = Rumour(fact, self._told)
