"""Process: one run of a node, whose membership is the very one that runs over ZeroMQ."""

from collections import deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from random import Random
from typing import Any

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.event import Event, Joined, Knock, MemberChanged, Raised, Subscribe, Superseded, Unsubscribe
from mesh.gossip.member import Card, Member, Status
from mesh.gossip.membership import Membership
from mesh.gossip.message import PROTO, Message, Sender
from tests.sim.network import CONTROL, GOSSIP, Network, host_name
from tests.sim.schedule import Schedule


class Process:
    """It may stall and die, and its clock is its own."""

    def __init__(
        self,
        schedule: Schedule,
        network: Network,
        random: Random,
        host: int,
        key: int,
        incarnation: int,
        clock: float,
        mesh: str = "sim",
        proto: int = PROTO,
        addresses: Iterable[str] = (),
        **options: Any,
    ) -> None:
        """On this host, with the node's key of this number."""
        self.host = host
        self.key = key
        self.id = blake2b(f"{key}".encode(), digest_size=16).hexdigest()
        self.sender = Sender(self.id, f"{random.getrandbits(64):016x}", host_name(host))
        self.incarnation = incarnation
        self.clock = clock
        self.alive = True
        self.stalled = False
        """Nothing runs."""
        self.deaf = False
        """Timers run, the network does not."""
        self.bytes = 0
        """Sent, if the network counts them."""
        self.errors = 0
        """Messages that made no sense to it."""
        self.superseded = False
        self.log: list[tuple[float, Event]] = []
        self.subscriptions: set[Address] = set()
        self._schedule = schedule
        self._network = network
        self._inbox: deque[tuple[Message, Sender]] = deque()
        self._outbox: list[tuple[Address | None, Message]] = []
        self._armed = float("inf")
        card = Card(
            self.id, f"n{key}", "", self.boot, incarnation, tuple(addresses) or (host_name(host),),
            CONTROL, GOSSIP, 7402, 1935, 8080, proto,
        )  # fmt: skip
        self.membership = Membership(card, mesh, Random(random.random()), self.now, **options)
        self._pump()

    @property
    def now(self) -> float:
        """The time on this process's own clock."""
        return self._schedule.now + self.clock

    @property
    def boot(self) -> str:
        return self.sender.boot

    def member(self, other: "Process") -> Member | None:
        """What this process holds of another's node."""
        return self.membership.tables.members.get(other.id)

    def status(self, other: "Process") -> Status | None:
        """What it holds another's node for."""
        member = self.member(other)
        return member.status if member else None

    def verdicts(self, since: float = -1.0) -> list[tuple[float, str, Status]]:
        """When it came to hold which id for what, after some moment."""
        return [
            (when, event.id, event.new.status)
            for when, event in self.log
            if when > since and isinstance(event, MemberChanged) and event.new
            if event.old is None or event.old.status != event.new.status
        ]

    def do(self, act: Callable[[Membership, float], Any]) -> None:
        """Let its owner do something with it, and see what follows."""
        act(self.membership, self.now)
        self._pump()

    def dial(self, *hosts: int | str, kept: bool = False) -> None:
        """Let it try the nodes of these hosts."""
        names = [host if isinstance(host, str) else host_name(host) for host in hosts]
        self.do(lambda membership, now: membership.dial([Address(name, CONTROL) for name in names], now, kept))

    def stall(self, seconds: float, timers: bool = False) -> None:
        """Do nothing for so long; or, if `timers` run on, only hear and send nothing."""
        self.stalled, self.deaf = not timers, timers
        self._schedule.after(seconds, self._wake)

    def receive(self, message: Message, sender: Sender) -> None:
        if self.stalled or self.deaf:
            self._inbox.append((message, sender))
        elif self.alive:
            self._take(message, sender)
            self._pump()

    def disconnected(self, address: Address) -> None:
        if self.alive and not self.stalled:
            self.do(lambda membership, now: membership.disconnected(address, now))

    def refused(self, peer: str) -> None:
        if self.alive and not self.stalled:
            self.do(lambda membership, now: membership.refused(peer, now))

    def _wake(self) -> None:
        self.stalled = self.deaf = False
        if not self.alive:
            return
        held, self._outbox = self._outbox, []
        self._send(held)
        while self._inbox:
            self._take(*self._inbox.popleft())
        self.membership.handle_timer(self.now)
        self._pump()

    def _take(self, message: Message, sender: Sender) -> None:
        try:
            self.membership.receive(message, sender, self.now)
        except WireError:
            self.errors += 1

    def _pump(self) -> None:
        """Send what is to be sent, do what is to be done, and set the timer."""
        messages = self.membership.messages_to_send(self.now)
        while event := self.membership.next_event():
            self._act(event)
        if self.deaf:
            self._outbox += messages
        else:
            self._send(messages)
        due = max(self.membership.get_timer() - self.clock, self._schedule.now)
        if due < self._armed:
            self._armed = due
            self._schedule.at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        if due != self._armed:
            return
        self._armed = float("inf")
        if self.alive and not self.stalled:
            self.membership.handle_timer(self.now)
            self._pump()

    def _send(self, messages: list[tuple[Address | None, Message]]) -> None:
        for address, message in messages:
            if address:
                self._network.send(self, address, message)
            else:
                self._network.publish(self, message)

    def _act(self, event: Event) -> None:
        self.log.append((self._schedule.now, event))
        self._network.trace.update(f"{self._schedule.now:.6f} {self.host} {type(event).__name__}\n".encode())
        match event:
            case Subscribe(address):
                self.subscriptions.add(address)
                self._network.subscribe(self, address)
            case Unsubscribe(address):
                self.subscriptions.discard(address)
                self._network.unsubscribe(self, address)
            case Knock(id, address):
                self._network.knock(self, id, address)
            case Raised(incarnation):
                self.incarnation = incarnation
            case Superseded():
                self.superseded = True

    @property
    def joined(self) -> bool:
        return any(isinstance(event, Joined) for _, event in self.log)
