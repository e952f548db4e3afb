"""SWIM with Lifeguard: how memberlist finds the dead, as an opponent, in the same worlds under the same faults.

Written after memberlist's state.go, suspicion.go, awareness.go and queue.go, with its LAN defaults; docs/membership.md
says where it differs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from math import ceil, floor, log2
from random import Random
from typing import Any

from mesh.gossip.member import Status
from mesh.gossip.message import Sender
from tests.sim.belief import INTERVAL_S, Beliefs, Fact
from tests.sim.network import Network, host_name
from tests.sim.schedule import Schedule
from tests.sim.world import World

PROBE_TIMEOUT_S = 0.5
INDIRECT = 3
HEALTH_MOST = 7
"""AwarenessMaxMultiplier is 8, and the score stays below it."""
GOSSIP_S = 0.2
GOSSIPED_TO = 3
PUSH_PULL_S = 30.0
PUSH_PULL_SCALED = 32
"""Nodes above which that interval grows."""


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


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a node holds, for push and pull over TCP."""

    facts: tuple[Fact, ...]
    answer: bool


@dataclass(slots=True)
class Probe:
    target: int
    incarnation: int
    started: float
    nacks: int = 0
    expected: int = 0


class Swim:
    """One node."""

    def __init__(
        self, schedule: Schedule, network: Network, random: Random, host: int, size: int, tcp: bool, blocks: bool
    ) -> None:
        """It knows the others from the start; without `tcp` neither pings nor pushes and pulls go over TCP.

        If it `blocks`, its loops wait for a stalled socket as well, and only timeouts run on.
        """
        self.host = self.key = self.id = host
        self.sender = Sender(f"{host}", "", host_name(host))
        self.alive = True
        self.deaf = False
        self.bytes = 0
        self.subscriptions: set[Any] = set()
        self.health = 0
        self._schedule, self._network, self._random = schedule, network, random
        self._tcp, self._blocks = tcp, blocks
        self._blocked: list[Callable[[], None]] = []
        self.beliefs = Beliefs(schedule, random, host, size, partial(self._aware, +1))
        self._numbers = count()
        self._probes: dict[int, Probe] = {}
        self._relayed: dict[int, tuple[int, int]] = {}
        self._inbox: list[tuple[Any, Sender]] = []
        self._outbox: list[tuple[int, tuple[Any, ...], bool]] = []
        self._phase = random.uniform(0, INTERVAL_S)
        schedule.after(self._phase, self._probe)
        schedule.after(random.uniform(0, GOSSIP_S), self._gossip)
        if tcp:
            schedule.after(random.uniform(0, PUSH_PULL_S), self._push_pull)

    def status(self, other: "Swim") -> Status:
        """What it holds another for."""
        return self.held(other.host)

    def held(self, host: int) -> Status:
        """What it holds a node for; the forgotten were dead."""
        known = self.beliefs.known.get(host)
        return known.status if known else Status.DEAD

    def verdicts(self, since: float = -1.0) -> list[tuple[float, int, Status]]:
        """When it came to hold whom for what, after some moment."""
        return [verdict for verdict in self.beliefs.log if verdict[0] > since]

    def stall(self, seconds: float, timers: bool = True) -> None:
        """Hear and send nothing for so long, while timers run on."""
        assert timers, "only this kind of stall is modelled"
        self.deaf = True
        self._schedule.after(seconds, self._wake)

    def receive(self, packet: Any, sender: Sender) -> None:
        if self.deaf:
            self._inbox.append((packet, sender))
        elif self.alive:
            self._hear([(packet, sender)])

    def disconnected(self, address: Any) -> None:
        """It takes no notice of connections."""

    def refused(self, peer: str) -> None:
        """Nor of this."""

    def _wake(self) -> None:
        self.deaf = False
        held, self._outbox = self._outbox, []
        for host, packet, tcp in held:
            self._put(host, packet, tcp)
        waiting, self._inbox = self._inbox, []
        self._hear(waiting)
        blocked, self._blocked = self._blocked, []
        for act in blocked:
            act()

    def _put_off(self, act: Callable[[], None]) -> bool:
        """Whether a loop must wait until the stall is over."""
        if put_off := self._blocks and self.deaf:
            self._blocked.append(act)
        return put_off

    def _hear(self, packets: Iterable[tuple[Any, Sender]]) -> None:
        """Pings are answered at once; of facts that pile up, who lives comes first, and the newest."""
        facts = []
        for message, sender in ((message, sender) for packet, sender in packets for message in packet):
            if isinstance(message, Fact):
                facts.append(message)
            else:
                self._take(message, int(sender.id))
        for fact in sorted(reversed(facts), key=lambda fact: fact.status is not Status.ALIVE):
            self.beliefs.learn(fact)

    def _take(self, message: Any, sender: int) -> None:
        match message:
            case Ping(number, tcp):
                self._send(sender, Ack(number), tcp=tcp)
            case PingFor(number, target):
                mine = next(self._numbers)
                self._relayed[mine] = sender, number
                self._send(target, Ping(mine))
                self._schedule.after(PROBE_TIMEOUT_S, self._give_up, mine)
            case Ack(number) if number in self._relayed:
                asker, theirs = self._relayed.pop(number)
                self._send(asker, Ack(theirs))
            case Ack(number) if number in self._probes:
                self._aware(-1)
                self._next_probe(self._probes.pop(number))
            case Nack(number) if number in self._probes:
                self._probes[number].nacks += 1
            case State(facts, answer):
                if answer:
                    self._send(sender, self._state(answer=False), tcp=True)
                for fact in facts:
                    self.beliefs.learn(fact)

    def _give_up(self, number: int) -> None:
        if number in self._relayed and self.alive:
            asker, theirs = self._relayed.pop(number)
            self._send(asker, Nack(theirs))

    def _probe(self) -> None:
        """Ping the next; a suspect is told of what (the buddy system)."""
        if not self.alive or self._put_off(self._probe):
            return
        now = self._schedule.now
        if (target := self._next_target()) is None:
            self._schedule.after(INTERVAL_S, self._probe)
            return
        known, number = self.beliefs.known[target], next(self._numbers)
        self._probes[number] = Probe(target, known.incarnation, now)
        if known.status is Status.SUSPECT:
            self._put(target, (Ping(number), Fact(target, Status.SUSPECT, known.incarnation, self.host)), False)
        else:
            self._send(target, Ping(number))
        self._schedule.after(PROBE_TIMEOUT_S, self._probe_indirectly, number)
        self._schedule.after(INTERVAL_S * (self.health + 1), self._probe_failed, number)

    def _next_target(self) -> int | None:
        """Round and round, shuffled each time."""
        for _ in range(2):
            while self.beliefs.turns:
                host = self.beliefs.turns.pop()
                if (
                    host in self.beliefs.known
                    and host != self.host
                    and self.beliefs.known[host].status is not Status.DEAD
                ):
                    return host
            self.beliefs.forget_the_dead()
            self.beliefs.turns = self._random.sample([*self.beliefs.known], len(self.beliefs.known))
        return None

    def _probe_indirectly(self, number: int) -> None:
        probe = self._probes.get(number)
        if probe is None or not self.alive:
            return
        helpers = self._some(INDIRECT, [Status.ALIVE], probe.target)
        probe.expected = len(helpers)
        for helper in helpers:
            self._send(helper, PingFor(number, probe.target))
        if self._tcp:
            self._put(probe.target, (Ping(number, tcp=True),), True)

    def _probe_failed(self, number: int) -> None:
        probe = self._probes.pop(number, None)
        if probe and self.alive:
            self._aware(probe.expected - probe.nacks if probe.expected else 1)
            self.beliefs.learn(Fact(probe.target, Status.SUSPECT, probe.incarnation, self.host))
            self._next_probe(probe)

    def _next_probe(self, probe: Probe) -> None:
        """At the next tick, or now if one was missed."""
        tick = self._phase + floor((probe.started - self._phase) / INTERVAL_S + 1e-5) + INTERVAL_S
        self._schedule.at(max(tick, self._schedule.now), self._probe)

    def _aware(self, delta: int) -> None:
        self.health = min(max(self.health + delta, 0), HEALTH_MOST)

    def _some(self, most: int, statuses: Iterable[Status], without: int | None = None) -> list[int]:
        fit = [host for host, known in self.beliefs.known.items() if known.status in statuses]
        fit = [host for host in fit if host not in (self.host, without)]
        return self._random.sample(fit, min(most, len(fit)))

    def _gossip(self) -> None:
        """Tell some others what is new, the dead of the last half minute as well."""
        if not self.alive or self._put_off(self._gossip):
            return
        for host in self._some(GOSSIPED_TO, Status) if self.beliefs.rumours else ():
            if facts := self.beliefs.to_tell():
                self._put(host, facts, False)
        self._schedule.after(GOSSIP_S, self._gossip)

    def _push_pull(self) -> None:
        if not self.alive or self._put_off(self._push_pull):
            return
        for host in self._some(1, [Status.ALIVE]):
            self._send(host, self._state(answer=True), tcp=True)
        scale = (
            ceil(log2(len(self.beliefs.known) / PUSH_PULL_SCALED)) + 1
            if len(self.beliefs.known) > PUSH_PULL_SCALED
            else 1
        )
        self._schedule.after(PUSH_PULL_S * scale, self._push_pull)

    def _state(self, answer: bool) -> State:
        """Whom it holds for dead, others shall only suspect."""
        held = [(host, known.status, known.incarnation) for host, known in self.beliefs.known.items()]
        softened = {Status.DEAD: Status.SUSPECT}
        return State(tuple(Fact(host, softened.get(s, s), n, self.host) for host, s, n in held), answer)

    def _send(self, host: int, message: Any, tcp: bool = False) -> None:
        """A packet is filled up with rumours."""
        self._put(host, (message,) if tcp else (message, *self.beliefs.to_tell()), tcp)

    def _put(self, host: int, packet: tuple[Any, ...], tcp: bool) -> None:
        if self.deaf:
            self._outbox.append((host, packet, tcp))
        else:
            self._network.datagram(self, host, packet, tcp)


class SwimWorld(World):
    """A world whose nodes are these."""

    def swim(self, size: int, tcp: bool = True, blocks: bool = False) -> list[Swim]:
        """A mesh of so many that know each other; some time has passed."""
        nodes = [Swim(self, self.network, self.random, host, size, tcp, blocks) for host in range(size)]
        for node in nodes:
            self.network.listen(node)
        self.run(self.random.uniform(3, 6))
        return nodes
