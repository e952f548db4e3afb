"""SWIM with Lifeguard: how memberlist finds the dead, as an opponent, in the same worlds under the same faults.

Written after memberlist's state.go, suspicion.go, awareness.go and queue.go, with its LAN defaults; docs/membership.md
says where it differs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, log2
from random import Random
from typing import Any

from mesh.gossip.member import Status
from mesh.gossip.message import Sender
from tests.sim.belief import Beliefs, Fact
from tests.sim.network import Network, host_name
from tests.sim.probing import Probing
from tests.sim.schedule import Schedule, Timers
from tests.sim.world import World

GOSSIP_S = 0.2
GOSSIPED_TO = 3
PUSH_PULL_S = 30.0
PUSH_PULL_SCALED = 32
"""Nodes above which that interval grows."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a node holds, for push and pull over TCP."""

    facts: tuple[Fact, ...]
    answer: bool


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
        self._schedule, self._network, self._random = schedule, network, random
        self._timers = Timers(schedule)
        self._blocks = blocks
        self._blocked: list[Callable[[], None]] = []
        self._inbox: list[tuple[Any, Sender]] = []
        self._outbox: list[tuple[int, tuple[Any, ...], bool]] = []
        self.beliefs = Beliefs(self._timers, random, host, size, lambda: self._probing.aware(+1))
        self._probing = Probing(self._timers, random, self, tcp)
        self._timers.after(random.uniform(0, GOSSIP_S), self._gossip)
        if tcp:
            self._timers.after(random.uniform(0, PUSH_PULL_S), self._push_pull)

    @property
    def health(self) -> int:
        """How ill it believes itself to be."""
        return self._probing.health

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
        """Hear and send nothing for so long; unless `timers` run on, do nothing else either."""
        self.deaf, self._timers.stopped = True, not timers
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

    def put_off(self, act: Callable[[], None]) -> bool:
        """Whether a loop must wait until the stall is over."""
        if put_off := self._blocks and self.deaf:
            self._blocked.append(act)
        return put_off

    def send(self, host: int, message: Any, tcp: bool = False) -> None:
        """A packet is filled up with rumours."""
        self.put(host, (message,) if tcp else (message, *self.beliefs.to_tell()), tcp)

    def put(self, host: int, packet: tuple[Any, ...], tcp: bool) -> None:
        if self.deaf:
            self._outbox.append((host, packet, tcp))
        else:
            self._network.datagram(self, host, packet, tcp)

    def _wake(self) -> None:
        self.deaf = False
        held, self._outbox = self._outbox, []
        for host, packet, tcp in held:
            self.put(host, packet, tcp)
        waiting, self._inbox = self._inbox, []
        self._hear(waiting)
        blocked, self._blocked = self._blocked, []
        for act in blocked:
            act()
        self._timers.go_on()

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
        if not isinstance(message, State):
            self._probing.take(message, sender)
            return
        if message.answer:
            self.send(sender, self._state(answer=False), tcp=True)
        for fact in message.facts:
            self.beliefs.learn(fact)

    def _gossip(self) -> None:
        """Tell some others what is new, the dead of the last half minute as well."""
        if not self.alive or self.put_off(self._gossip):
            return
        for host in self.beliefs.some(GOSSIPED_TO, Status) if self.beliefs.rumours else ():
            if facts := self.beliefs.to_tell():
                self.put(host, facts, False)
        self._timers.after(GOSSIP_S, self._gossip)

    def _push_pull(self) -> None:
        if not self.alive or self.put_off(self._push_pull):
            return
        for host in self.beliefs.some(1, [Status.ALIVE]):
            self.send(host, self._state(answer=True), tcp=True)
        scale = (
            ceil(log2(len(self.beliefs.known) / PUSH_PULL_SCALED)) + 1
            if len(self.beliefs.known) > PUSH_PULL_SCALED
            else 1
        )
        self._timers.after(PUSH_PULL_S * scale, self._push_pull)

    def _state(self, answer: bool) -> State:
        """Whom it holds for dead, others shall only suspect."""
        held = [(host, known.status, known.incarnation) for host, known in self.beliefs.known.items()]
        softened = {Status.DEAD: Status.SUSPECT}
        return State(tuple(Fact(host, softened.get(s, s), n, self.host) for host, s, n in held), answer)


class SwimWorld(World):
    """A world whose nodes are these."""

    def swim(self, size: int, tcp: bool = True, blocks: bool = False) -> list[Swim]:
        """A mesh of so many that know each other; some time has passed."""
        nodes = [Swim(self, self.network, self.random, host, size, tcp, blocks) for host in range(size)]
        for node in nodes:
            self.network.listen(node)
        self.run(self.random.uniform(3, 6))
        return nodes
