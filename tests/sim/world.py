"""A seeded world: hosts, links that lose and delay, processes that stall and die, one heap of events.

The very same `Membership` that runs over ZeroMQ runs here. A pipe carries messages one way, in order, as TCP does: a
lost packet delays everything behind it, a cut holds it back, and a cut that lasts resets the pipe, with all that was
under way. Every process has a clock of its own. Same seed, same world, same trace hash.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.event import Event, Joined, Knock, Raised, Subscribe, Superseded, Unsubscribe
from mesh.gossip.member import Card, Member, Status
from mesh.gossip.membership import Membership
from mesh.gossip.message import PROTO, Message, Sender
from mesh.media.wire import encode

CONTROL = 7400
GOSSIP = 7401
ENVELOPE = 24
"""Bytes of id and boot that travel with every message."""
RTO = 0.2
"""Seconds until TCP sends a lost packet again; twice as long each further time."""
RESET = 4.0
"""Seconds for which a pipe may be stuck before its ends give it up."""
RECONNECT = (0.1, 1.0)
"""Seconds between two attempts to connect, doubling."""
PATIENT = 30.0
"""Seconds for which a message waits for a connection."""


@dataclass(slots=True)
class Weather:
    """What the network does to every message."""

    latency: tuple[float, float] = (0.0002, 0.001)
    """Seconds, one way, evenly spread."""
    loss: float = 0.0
    """Share of packets that TCP must send again."""
    drop: float = 0.0
    """Share of published messages that never leave, as a full socket drops them."""


@dataclass(slots=True)
class Pipe:
    """One direction of one connection: from a process to whoever listens at an address, or from a publisher."""

    source: "Process"
    target: "Process"
    address: Address
    """Where the connection was made to."""
    last: float = 0.0
    """When the newest message under way arrives."""
    open: bool = True
    stuck: deque[Message] = field(default_factory=deque)
    """What a cut holds back."""


class Process:
    """One run of a node."""

    def __init__(self, world: "World", host: int, incarnation: int, **options: Any) -> None:
        self.world = world
        self.host = host
        self.index = world.node_of(options.pop("id", host))
        self.boot = f"{world.random.getrandbits(64):016x}"
        self.clock = world.random.uniform(-3e7, 3e7)
        self.incarnation = incarnation
        self.alive = True
        self.stalled = False
        """Nothing runs."""
        self.deaf = False
        """Timers run, the network does not."""
        self.log: list[tuple[float, Event]] = []
        self.joined_at: float | None = None
        self.superseded = False
        self.bytes = 0
        self.errors = 0
        self.subscriptions: set[Address] = set()
        self._inbox: deque[tuple[Message, Sender]] = deque()
        self._outbox: list[tuple[Address | None, Message]] = []
        self._armed = float("inf")
        name = options.pop("name", f"n{self.index}")
        addresses = options.pop("addresses", (world.host_name(host),))
        card = Card(
            self.id, name, "", self.boot, incarnation, addresses, CONTROL, GOSSIP, 7402, 1935, 8080,
            options.pop("proto", PROTO),
        )  # fmt: skip
        self.membership = Membership(
            card, options.pop("mesh", "sim"), Random(world.random.random()), self.now, **options
        )
        self.pump()

    @property
    def id(self) -> str:
        return self.world.id_of(self.index)

    @property
    def now(self) -> float:
        """The time on this process's own clock."""
        return self.world.now + self.clock

    @property
    def sender(self) -> Sender:
        return Sender(self.id, self.boot, self.world.host_name(self.host))

    def member(self, other: "Process") -> Member | None:
        """What this process holds of another's node."""
        return self.membership.tables.members.get(other.id)

    def status(self, other: "Process") -> Status | None:
        member = self.member(other)
        return member.status if member else None

    def dial(self, hosts: Iterable[int | str], kept: bool = False) -> None:
        """Let it try the nodes of these hosts."""
        names = [host if isinstance(host, str) else self.world.host_name(host) for host in hosts]
        self.membership.dial([Address(name, CONTROL) for name in names], self.now, kept)
        self.pump()

    def do(self, act: Callable[[Membership, float], Any]) -> None:
        """Let its owner do something with it, and see what follows."""
        act(self.membership, self.now)
        self.pump()

    def receive(self, message: Message, sender: Sender) -> None:
        """A message has arrived at its host."""
        if not self.alive:
            return
        if self.stalled or self.deaf:
            self._inbox.append((message, sender))
            return
        self._take(message, sender)
        self.pump()

    def stall(self, seconds: float, timers: bool = False) -> None:
        """Do nothing for so long; or, if `timers` run on, only hear and send nothing."""
        self.stalled, self.deaf = not timers, timers
        self.world.after(seconds, self._wake)

    def pump(self) -> None:
        """Send what is to be sent, do what is to be done, and set the timer."""
        if not self.alive:
            return
        messages = self.membership.messages_to_send(self.now)
        while event := self.membership.next_event():
            self._act(event)
        if self.deaf:
            self._outbox += messages
        else:
            self._send(messages)
        self._arm()

    def _wake(self) -> None:
        self.stalled = self.deaf = False
        if not self.alive:
            return
        held, self._outbox = self._outbox, []
        self._send(held)
        while self._inbox and self.alive:
            self._take(*self._inbox.popleft())
        self.membership.handle_timer(self.now)
        self.pump()

    def _take(self, message: Message, sender: Sender) -> None:
        try:
            self.membership.receive(message, sender, self.now)
        except WireError:
            self.errors += 1

    def _send(self, messages: list[tuple[Address | None, Message]]) -> None:
        for address, message in messages:
            if address:
                self.world.send(self, address, message)
            else:
                self.world.publish(self, message)

    def _act(self, event: Event) -> None:
        self.log.append((self.world.now, event))
        self.world.trace(self, event)
        match event:
            case Subscribe(address):
                self.subscriptions.add(address)
                self.world.subscribe(self, address)
            case Unsubscribe(address):
                self.subscriptions.discard(address)
                self.world.unsubscribe(self, address)
            case Knock(id, address):
                self.world.knock(self, id, address)
            case Joined():
                self.joined_at = self.world.now
            case Raised(incarnation):
                self.incarnation = incarnation
            case Superseded():
                self.superseded = True

    def _arm(self) -> None:
        due = max(self.membership.get_timer() - self.clock, self.world.now)
        if due < self._armed:
            self._armed = due
            self.world.at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        if due != self._armed:
            return
        self._armed = float("inf")
        if self.alive and not self.stalled:
            self.membership.handle_timer(self.now)
            self.pump()


class World:
    """All hosts and all that happens to them."""

    def __init__(self, seed: int, weather: Weather | None = None, count_bytes: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.weather = weather or Weather()
        self.now = 0.0
        self.count_bytes = count_bytes
        self.processes: list[Process] = []
        self.cuts: set[tuple[int, int]] = set()
        """Pairs of hosts (from, to) between which nothing passes in this direction."""
        self.down: set[int] = set()
        """Hosts that are off: nothing answers there, not even a refusal."""
        self.history: list[tuple[float, str]] = []
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._listeners: dict[str, Process] = {}
        self._control: dict[tuple[int, Address], Pipe] = {}
        self._gossip: dict[int, dict[int, Pipe]] = {}
        self._hash = blake2b(digest_size=8)

    @property
    def trace_hash(self) -> str:
        return self._hash.hexdigest()

    def node_of(self, index: int) -> int:
        return index

    def id_of(self, index: int) -> str:
        """The id of the node whose key is the one with this number."""
        return blake2b(f"{index}".encode(), digest_size=16).hexdigest()

    def host_name(self, host: int) -> str:
        return f"10.0.{host // 250}.{host % 250 + 1}"

    def start(self, host: int, incarnation: int = 1, **options: Any) -> Process:
        """Start a node on a host; with `id` of another node's key, if it was cloned."""
        self.down.discard(host)
        process = Process(self, host, incarnation, **options)
        self.processes.append(process)
        self._listeners[self.host_name(host)] = process
        return process

    def living(self) -> list[Process]:
        return [process for process in self.processes if process.alive]

    def crash(self, process: Process, fin: bool = True) -> None:
        """End a process; without `fin` its host goes down with it, and nobody is told."""
        process.alive = False
        self.note(f"n{process.index} dies")
        del self._listeners[self.host_name(process.host)]
        if not fin:
            self.down.add(process.host)
        for pipe in [*self._gossip.pop(id(process), {}).values()]:
            if fin:
                self._arrive_after_flight(pipe, self._disconnected, pipe)
            else:
                self.after(RESET, self._disconnected, pipe)
        for pipes in self._gossip.values():
            pipes.pop(id(process), None)
        for key, pipe in [*self._control.items()]:
            if pipe.source is process or pipe.target is process:
                pipe.open = False
                del self._control[key]

    def restart(self, process: Process, disk: bool = True, **options: Any) -> Process:
        """Start a node again on its host, with or without what it remembers."""
        return self.start(process.host, process.incarnation + 1 if disk else 1, id=process.index, **options)

    def cut(self, sources: Iterable[int], targets: Iterable[int], both: bool = True) -> None:
        """Let nothing pass from hosts to hosts; nor back, if `both`."""
        pairs = {(a, b) for a in sources for b in targets if a != b}
        pairs |= {(b, a) for a, b in pairs} if both else set()
        for pair in pairs - self.cuts:
            self.after(RESET, self._reset, pair)
        self.cuts |= pairs

    def heal(self) -> None:
        """Let everything pass again; what was held back follows when TCP next tries."""
        self.cuts.clear()
        for pipe in self._pipes():
            if pipe.stuck:
                self.after(self.random.uniform(0.01, 4 * RTO), self._unstick, pipe)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass; or only until something is so. Whether it came to be."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            if until and until():
                return True
            self.now, _, act, arguments = heapq.heappop(self._heap)
            act(*arguments)
        if until and until():
            return True
        self.now = end
        return False

    def at(self, when: float, act: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._heap, (when, next(self._order), act, arguments))

    def after(self, seconds: float, act: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now + seconds, act, *arguments)

    def note(self, text: str) -> None:
        self.history.append((self.now, text))
        self._hash.update(f"{self.now:.9f} {text}\n".encode())

    def trace(self, process: Process, event: Event) -> None:
        self._hash.update(f"{self.now:.9f} {process.index} {type(event).__name__}\n".encode())

    def send(self, source: Process, address: Address, message: Message, since: float | None = None) -> None:
        """Over the connection to an address, which is made if there is none."""
        since = self.now if since is None else since
        pipe = self._control.get((id(source), address))
        if pipe is None or not pipe.open:
            target = self._listeners.get(address.host)
            if target is None or address.port != CONTROL or self._blocked(source.host, target.host):
                if self.now < since + PATIENT and source.alive:
                    self.after(self.random.uniform(*RECONNECT), self.send, source, address, message, since)
                return
            pipe = self._control[id(source), address] = Pipe(source, target, address)
            pipe.last = self.now + 2 * self._flight()
        self._put(pipe, message)

    def publish(self, source: Process, message: Message) -> None:
        """To everyone who is connected."""
        for pipe in self._gossip.get(id(source), {}).values():
            if self.weather.drop and self.random.random() < self.weather.drop:
                continue
            self._put(pipe, message)

    def subscribe(self, process: Process, address: Address, wait: float = RECONNECT[0]) -> None:
        """Connect, and go on trying, to what is published there."""
        if not process.alive or address not in process.subscriptions:
            return
        source = self._listeners.get(address.host)
        pipes = self._gossip.setdefault(id(source), {}) if source else {}
        if source and id(process) in pipes:
            return
        if source is None or address.port != GOSSIP or self._blocked(process.host, source.host):
            self.after(wait, self.subscribe, process, address, min(2 * wait, RECONNECT[1]))
            return
        pipe = Pipe(source, process, address)
        pipe.last = self.now + 2 * self._flight()
        self.at(pipe.last, pipes.setdefault, id(process), pipe)

    def unsubscribe(self, process: Process, address: Address) -> None:
        for pipes in self._gossip.values():
            pipe = pipes.get(id(process))
            if pipe and pipe.address == address:
                pipe.open = False
                del pipes[id(process)]

    def knock(self, process: Process, peer: str, address: Address) -> None:
        """Find out whether an address refuses a connection."""
        host = next((p.host for p in self.processes if self.host_name(p.host) == address.host), None)
        if host is None or host in self.down or self._blocked(process.host, host) or address.host in self._listeners:
            return
        self.after(2 * self._flight(), self._refused, process, peer)

    def _refused(self, process: Process, peer: str) -> None:
        if process.alive and not process.stalled:
            process.do(lambda membership, now: membership.refused(peer, now))

    def _put(self, pipe: Pipe, message: Message) -> None:
        if self.count_bytes:
            pipe.source.bytes += len(encode(message)) + ENVELOPE
        if (pipe.source.host, pipe.target.host) in self.cuts or pipe.stuck:
            pipe.stuck.append(message)
        else:
            self._arrive_after_flight(pipe, self._arrive, pipe, message, pipe.source.sender)

    def _arrive_after_flight(self, pipe: Pipe, act: Callable[..., None], *arguments: Any) -> None:
        flight, rto = self._flight(), RTO
        while self.weather.loss and self.random.random() < self.weather.loss:
            flight, rto = flight + rto, 2 * rto
        pipe.last = max(self.now + flight, pipe.last)
        self.at(pipe.last, act, *arguments)

    def _arrive(self, pipe: Pipe, message: Message, sender: Sender) -> None:
        if not pipe.open:
            return
        if (pipe.source.host, pipe.target.host) in self.cuts:
            pipe.stuck.append(message)
            return
        self._hash.update(f"{self.now:.9f} {pipe.source.index} {pipe.target.index} {message.__kind__}\n".encode())  # type: ignore[union-attr]
        pipe.target.receive(message, sender)

    def _unstick(self, pipe: Pipe) -> None:
        held, pipe.stuck = pipe.stuck, deque()
        if pipe.open:
            for message in held:
                self._put(pipe, message)

    def _reset(self, pair: tuple[int, int]) -> None:
        """A direction was cut for so long that the pipes through it are given up."""
        if pair not in self.cuts:
            return
        for pipe in self._pipes():
            if (pipe.source.host, pipe.target.host) == pair:
                self._disconnected(pipe)
                self._control.pop((id(pipe.source), pipe.address), None)

    def _disconnected(self, pipe: Pipe) -> None:
        """A pipe is no more; a subscriber is told, and tries again."""
        pipe.open = False
        pipes = self._gossip.get(id(pipe.source), {})
        if pipes.get(id(pipe.target)) is pipe:
            del pipes[id(pipe.target)]
        if pipe.address.port == GOSSIP and pipe.target.alive:
            if not pipe.target.stalled:
                pipe.target.do(lambda membership, now: membership.disconnected(pipe.address, now))
            self.subscribe(pipe.target, pipe.address)

    def _pipes(self) -> list[Pipe]:
        return [*self._control.values(), *(pipe for pipes in self._gossip.values() for pipe in pipes.values())]

    def _blocked(self, one: int, other: int) -> bool:
        return one in self.down or other in self.down or bool({(one, other), (other, one)} & self.cuts)

    def _flight(self) -> float:
        return self.random.uniform(*self.weather.latency)
