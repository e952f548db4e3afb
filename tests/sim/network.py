"""Network: hosts, and pipes between the processes on them that lose, delay, get stuck and are reset.

A pipe carries messages one way and in order, as TCP does: a lost packet delays everything behind it, a cut holds it
back, and a cut that lasts resets the pipe, with all that was under way.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any, Protocol

from mesh.config import Address
from mesh.gossip.message import Message, Sender
from mesh.media.wire import encode
from tests.sim.schedule import Schedule

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


class Process(Protocol):
    """What runs on a host."""

    host: int
    alive: bool
    bytes: int
    subscriptions: set[Address]
    sender: Sender
    """How it signs its messages."""

    def receive(self, message: Message, sender: Sender) -> None:
        """A message has arrived."""

    def disconnected(self, address: Address) -> None:
        """What it had subscribed to there has closed."""

    def refused(self, peer: str) -> None:
        """The peer at whose door it knocked refused."""


@dataclass(slots=True)
class Pipe:
    """One direction of one connection."""

    source: Process
    target: Process
    address: Address
    """Where the connection was made to."""
    left: float = 0.0
    """When the newest message has left for good, repetitions included."""
    last: float = 0.0
    """When it arrives."""
    open: bool = True
    stuck: deque[Message] = field(default_factory=deque)
    """What a cut holds back."""


class Network:
    """All hosts and everything between them."""

    def __init__(self, schedule: Schedule, random: Random, weather: Weather) -> None:
        self.weather = weather
        self.counting = False
        """Whether processes are charged the bytes of their messages."""
        self.down: set[int] = set()
        """Hosts that are off: nothing answers there, not even a refusal."""
        self.trace = blake2b(digest_size=8)
        self._schedule = schedule
        self._random = random
        self._went_down: dict[int, float] = {}
        self._cuts: set[tuple[int, int]] = set()
        self._hosts: set[str] = set()
        self._listeners: dict[str, Process] = {}
        self._control: dict[tuple[int, Address], Pipe] = {}
        self._gossip: dict[int, dict[int, Pipe]] = {}

    def listen(self, process: Process) -> None:
        """A process has started: its host is up, and connections reach it."""
        self.down.discard(process.host)
        self._hosts.add(host_name(process.host))
        self._listeners[host_name(process.host)] = process

    def close(self, process: Process, fin: bool) -> None:
        """A process has ended; without `fin` its host went down with it, and nobody is told."""
        if not fin:
            self.down.add(process.host)
            self._went_down[process.host] = self._schedule.now
        del self._listeners[host_name(process.host)]
        for pipe in [*self._gossip.pop(id(process), {}).values()]:
            if fin:
                self._fly(pipe, self._disconnect, pipe)
            else:
                self._schedule.after(RESET, self._disconnect, pipe)
        for pipes in self._gossip.values():
            pipes.pop(id(process), None)
        for key, pipe in [*self._control.items()]:
            if process in (pipe.source, pipe.target):
                pipe.open = False
                del self._control[key]

    def cut(self, sources: Iterable[int], targets: Iterable[int], both: bool = True) -> None:
        """Let nothing pass from hosts to hosts; nor back, if `both`."""
        pairs = {(a, b) for a in sources for b in targets if a != b}
        pairs |= {(b, a) for a, b in pairs} if both else set()
        for pair in sorted(pairs - self._cuts):
            self._schedule.after(RESET, self._reset, pair)
        self._cuts |= pairs

    def heal(self) -> None:
        """Let everything pass again; what was held back follows when TCP next tries."""
        self._cuts.clear()
        for pipe in self._pipes():
            if pipe.stuck:
                self._schedule.after(self._random.uniform(0.01, 4 * RTO), self._unstick, pipe)

    def send(self, source: Process, address: Address, message: Message, since: float | None = None) -> None:
        """Over the connection to an address, which is made if there is none."""
        now = self._schedule.now
        since = now if since is None else since
        pipe = self._control.get((id(source), address))
        if pipe is None or not pipe.open:
            target = self._listeners.get(address.host)
            if target is None or address.port != CONTROL or self._blocked(source.host, target.host):
                if now < since + PATIENT and source.alive:
                    wait = self._random.uniform(*RECONNECT)
                    self._schedule.after(wait, self.send, source, address, message, since)
                return
            pipe = self._control[id(source), address] = Pipe(source, target, address)
            pipe.last = now + 2 * self._flight()
        self._put(pipe, message)

    def publish(self, source: Process, message: Message) -> None:
        """To everyone who is connected."""
        for pipe in self._gossip.get(id(source), {}).values():
            if not self.weather.drop or self._random.random() >= self.weather.drop:
                self._put(pipe, message)

    def datagram(self, source: Process, host: int, packet: Any, again: bool = False) -> None:
        """A packet on its own: a lost one is gone, or sent `again` as by TCP; a cut swallows it."""
        left, rto = 0.0, RTO
        while self.weather.loss and self._random.random() < self.weather.loss:
            if not again:
                return
            left, rto = left + rto, 2 * rto
        self._schedule.after(left + self._flight(), self._deliver, source, host, packet)

    def subscribe(self, process: Process, address: Address, wait: float = RECONNECT[0]) -> None:
        """Connect, and go on trying, to what is published there."""
        if not process.alive or address not in process.subscriptions:
            return
        source = self._listeners.get(address.host)
        pipes = self._gossip.setdefault(id(source), {}) if source else {}
        if source and id(process) in pipes:
            return
        if source is None or address.port != GOSSIP or self._blocked(process.host, source.host):
            self._schedule.after(wait, self.subscribe, process, address, min(2 * wait, RECONNECT[1]))
            return
        pipe = Pipe(source, process, address)
        pipe.last = self._schedule.now + 2 * self._flight()
        self._schedule.at(pipe.last, pipes.setdefault, id(process), pipe)

    def unsubscribe(self, process: Process, address: Address) -> None:
        """Disconnect from what is published there."""
        for pipes in self._gossip.values():
            pipe = pipes.get(id(process))
            if pipe and pipe.address == address:
                pipe.open = False
                del pipes[id(process)]

    def knock(self, process: Process, peer: str, address: Address) -> None:
        """Find out whether an address refuses a connection."""
        host = host_number(address.host)
        listens = address.host in self._listeners
        if address.host in self._hosts and not listens and not self._blocked(process.host, host):
            self._schedule.after(2 * self._flight(), process.refused, peer)

    def _put(self, pipe: Pipe, message: Message) -> None:
        if self.counting:
            pipe.source.bytes += len(encode(message)) + ENVELOPE
        if (pipe.source.host, pipe.target.host) in self._cuts or pipe.stuck:
            pipe.stuck.append(message)
        else:
            self._fly(pipe, self._arrive, pipe, message, pipe.source.sender)

    def _fly(self, pipe: Pipe, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen at the other end, after everything that is under way to it."""
        left, rto = self._schedule.now, RTO
        while self.weather.loss and self._random.random() < self.weather.loss:
            left, rto = left + rto, 2 * rto
        pipe.left = max(left, pipe.left)
        pipe.last = max(pipe.left + self._flight(), pipe.last)
        self._schedule.at(pipe.last, self._land, pipe, pipe.left, act, arguments)

    def _land(self, pipe: Pipe, left: float, act: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Whoever went down before he could repeat what was lost never said it."""
        if pipe.source.host not in self.down or left <= self._went_down[pipe.source.host]:
            act(*arguments)

    def _arrive(self, pipe: Pipe, message: Message, sender: Sender) -> None:
        if not pipe.open:
            return
        ends = pipe.source.host, pipe.target.host
        if ends in self._cuts:
            pipe.stuck.append(message)
            return
        self.trace.update(f"{self._schedule.now:.6f} {ends} {type(message).__name__}\n".encode())
        pipe.target.receive(message, sender)

    def _deliver(self, source: Process, host: int, packet: Any) -> None:
        target = self._listeners.get(host_name(host))
        if target and (source.host, host) not in self._cuts:
            target.receive(packet, source.sender)

    def _unstick(self, pipe: Pipe) -> None:
        held, pipe.stuck = pipe.stuck, deque()
        for message in held if pipe.open else ():
            self._put(pipe, message)

    def _reset(self, pair: tuple[int, int]) -> None:
        """A direction was cut for so long that the pipes through it are given up."""
        for pipe in self._pipes() if pair in self._cuts else ():
            if (pipe.source.host, pipe.target.host) == pair:
                self._control.pop((id(pipe.source), pipe.address), None)
                self._disconnect(pipe)

    def _disconnect(self, pipe: Pipe) -> None:
        """A pipe is no more; a subscriber is told, and tries again."""
        pipe.open = False
        pipes = self._gossip.get(id(pipe.source), {})
        if pipes.get(id(pipe.target)) is pipe:
            del pipes[id(pipe.target)]
        if pipe.address.port == GOSSIP and pipe.target.alive:
            pipe.target.disconnected(pipe.address)
            self.subscribe(pipe.target, pipe.address)

    def _pipes(self) -> list[Pipe]:
        return [*self._control.values(), *(pipe for pipes in self._gossip.values() for pipe in pipes.values())]

    def _blocked(self, one: int, other: int) -> bool:
        return bool({one, other} & self.down or {(one, other), (other, one)} & self._cuts)

    def _flight(self) -> float:
        return self._random.uniform(*self.weather.latency)


def host_name(host: int) -> str:
    """The address of a host."""
    return f"10.0.{host // 250}.{host % 250 + 1}"


def host_number(name: str) -> int:
    """The host that has this address."""
    _, _, high, low = name.split(".")
    return 250 * int(high) + int(low) - 1
