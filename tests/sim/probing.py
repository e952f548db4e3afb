"""Probing: how a node of SWIM finds the silent, directly and through others, and learns how ill it is itself."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from math import floor
from random import Random
from typing import Any, Protocol

from mesh.gossip.member import Status
from tests.sim.belief import INTERVAL_S, Beliefs, Fact
from tests.sim.schedule import Timers

PROBE_TIMEOUT_S = 0.5
INDIRECT = 3
HEALTH_MOST = 7
"""AwarenessMaxMultiplier is 8, and the score stays below it."""


@dataclass(frozen=True, slots=True)
class Ping:
    number: int
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    number: int


@dataclass(frozen=True, slots=True)
class Nack:
    number: int


@dataclass(frozen=True, slots=True)
class PingFor:
    """A request to ping a third node."""

    number: int
    target: int


@dataclass(slots=True)
class Probe:
    target: int
    incarnation: int
    started: float
    nacks: int = 0
    expected: int = 0


class Node(Protocol):
    """Whose probes they are."""

    host: int
    alive: bool
    beliefs: Beliefs

    def put_off(self, act: Callable[[], None]) -> bool:
        """Whether it is stalled, and does this later."""

    def send(self, host: int, message: Any, tcp: bool = False) -> None:
        """Send a message, and rumours with it."""

    def put(self, host: int, packet: tuple[Any, ...], tcp: bool) -> None:
        """Send just this."""


class Probing:
    """One probe a second, and the answers to those of others."""

    def __init__(self, schedule: Timers, random: Random, node: Node, tcp: bool) -> None:
        self.health = 0
        """The worse, the slower it accuses others."""
        self._schedule, self._random, self._node, self._tcp = schedule, random, node, tcp
        self._numbers = count()
        self._probes: dict[int, Probe] = {}
        self._relayed: dict[int, tuple[int, int]] = {}
        self._phase = random.uniform(0, INTERVAL_S)
        schedule.after(self._phase, self._probe)

    def aware(self, delta: int) -> None:
        """Something speaks for or against the node's own health."""
        self.health = min(max(self.health + delta, 0), HEALTH_MOST)

    def take(self, message: Any, sender: int) -> None:
        """Answer a ping, or learn of an answer."""
        match message:
            case Ping(number, tcp):
                self._node.send(sender, Ack(number), tcp)
            case PingFor(number, target):
                mine = next(self._numbers)
                self._relayed[mine] = sender, number
                self._node.send(target, Ping(mine))
                self._schedule.after(PROBE_TIMEOUT_S, self._give_up, mine)
            case Ack(number) if number in self._relayed:
                asker, theirs = self._relayed.pop(number)
                self._node.send(asker, Ack(theirs))
            case Ack(number) if number in self._probes:
                self.aware(-1)
                self._next_probe(self._probes.pop(number))
            case Nack(number) if number in self._probes:
                self._probes[number].nacks += 1

    def _give_up(self, number: int) -> None:
        if number in self._relayed and self._node.alive:
            asker, theirs = self._relayed.pop(number)
            self._node.send(asker, Nack(theirs))

    def _probe(self) -> None:
        """Ping the next; a suspect is told of what (the buddy system)."""
        node, now = self._node, self._schedule.now
        if not node.alive or node.put_off(self._probe):
            return
        if (target := self._next_target()) is None:
            self._schedule.after(INTERVAL_S, self._probe)
            return
        known, number = node.beliefs.known[target], next(self._numbers)
        self._probes[number] = Probe(target, known.incarnation, now)
        if known.status is Status.SUSPECT:
            node.put(target, (Ping(number), Fact(target, Status.SUSPECT, known.incarnation, node.host)), False)
        else:
            node.send(target, Ping(number))
        self._schedule.after(PROBE_TIMEOUT_S, self._probe_indirectly, number)
        self._schedule.after(INTERVAL_S * (self.health + 1), self._probe_failed, number)

    def _next_target(self) -> int | None:
        """Round and round, shuffled each time."""
        beliefs = self._node.beliefs
        for _ in range(2):
            while beliefs.turns:
                host = beliefs.turns.pop()
                known = beliefs.known.get(host)
                if known and host != self._node.host and known.status is not Status.DEAD:
                    return host
            beliefs.forget_the_dead()
            beliefs.turns = self._random.sample([*beliefs.known], len(beliefs.known))
        return None

    def _probe_indirectly(self, number: int) -> None:
        probe = self._probes.get(number)
        if probe is None or not self._node.alive:
            return
        helpers = self._node.beliefs.some(INDIRECT, [Status.ALIVE], probe.target)
        probe.expected = len(helpers)
        for helper in helpers:
            self._node.send(helper, PingFor(number, probe.target))
        if self._tcp:
            self._node.put(probe.target, (Ping(number, tcp=True),), True)

    def _probe_failed(self, number: int) -> None:
        probe = self._probes.pop(number, None)
        if probe and self._node.alive:
            self.aware(probe.expected - probe.nacks if probe.expected else 1)
            self._node.beliefs.learn(Fact(probe.target, Status.SUSPECT, probe.incarnation, self._node.host))
            self._next_probe(probe)

    def _next_probe(self, probe: Probe) -> None:
        """At the next tick, or now if one was missed."""
        tick = self._phase + floor((probe.started - self._phase) / INTERVAL_S + 1e-5) + INTERVAL_S
        self._schedule.at(max(tick, self._schedule.now), self._probe)
