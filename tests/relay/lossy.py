"""Nodes that relay to each other over links which lose, repeat and reorder, on a clock of their own."""

import heapq
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random

from mesh.media.frame import Frame
from mesh.media.wire import decode, encode
from mesh.relay.follower import Follower
from mesh.relay.message import AskHead, Close, Credit, LinkMessage, Open, unpack
from mesh.relay.state import State
from mesh.relay.supplier import Delivery, Supplier
from mesh.stream.log import StreamLog
from tests.relay.sample import STREAM, empty_log, extend

CAPACITY = 16
"""Messages that a connection takes before it takes nothing."""


@dataclass
class Weather:
    """What the network does to what travels."""

    drop: float = 0.0
    """Probability that a control message is lost."""
    repeat: float = 0.0
    """Probability that it comes twice, the second time late."""
    delay_s: float = 0.001
    jitter_s: float = 0.001
    rate: float = 1e9
    """Bytes of media in a second."""


@dataclass
class Parcel:
    """A media message on its way."""

    parts: list[bytes]
    lost: bool = False


class Node:
    """A log, its supplier, and what fetches into it."""

    def __init__(self, id: str, network: "Network", log: StreamLog, lag_s: float) -> None:
        self.id = id
        self.log = log
        self.lag_s = lag_s
        self.follower: Follower | None = None
        self.deputy = id
        """Who feeds those that come now."""
        self.others: list[str] = []
        """Who else has the stream, as far as it knows."""
        self.states: list[State] = []
        self.network = network
        self.supplier = self._new_supplier()
        log.on_append = lambda: self.supplier.advanced(STREAM, network.now)

    def restart(self) -> None:
        """The supplier forgets all links."""
        self.supplier = self._new_supplier()

    def write(self, *frames: Frame) -> None:
        """Append to the log, as its leader."""
        extend(self.log, *frames, leader=self.id)
        self.settle()

    def fetch(self, supplier: str) -> Follower:
        """Fetch the stream from another node."""
        if self.follower is None:
            rtt_s, random = lambda _: 2 * self.network.weather.delay_s, self.network.random
            self.follower = Follower(self.id, STREAM, self.log, lambda: self.others, rtt_s, random)
        self.follower.open(supplier, self.network.now)
        self.settle()
        return self.follower

    def receive(self, message: LinkMessage, sender: str) -> None:
        """A control message."""
        core = self.supplier if isinstance(message, Open | Credit | Close | AskHead) else self.follower
        if core:
            core.receive(message, sender, self.network.now)
        self.settle()

    def receive_media(self, parts: list[bytes]) -> None:
        """A message of media."""
        assert self.follower
        self.follower.receive_media(*unpack(parts), self.network.now)
        self.settle()

    def timer(self) -> float:
        """When the first of the cores wants to be called."""
        return min(core.get_timer() for core in (self.supplier, self.follower) if core)

    def handle_timer(self) -> None:
        """It is time."""
        for core in (self.supplier, self.follower):
            if core:
                core.handle_timer(self.network.now)
        self.settle()

    def settle(self) -> None:
        """Act on what the cores have come up with."""
        if self.follower:
            while state := self.follower.next_event():
                self.states.append(state)
                self.supplier.rerouted(STREAM)
            self._post(self.follower.messages_to_send())
        while delivery := self.supplier.next_delivery(self.network.now):
            if self.network.carry(self.id, delivery):
                self.supplier.sent(delivery, self.network.now)
            else:
                self.supplier.blocked(delivery, self.network.now)
        self._post(self.supplier.messages_to_send())

    def _new_supplier(self) -> Supplier:
        find = {STREAM: self.log}.get
        return Supplier(self.id, find, self._path, lambda stream, follower: self.deputy, lambda _: 0, self.lag_s)

    def _post(self, messages: list[tuple[str, LinkMessage]]) -> None:
        for peer, message in messages:
            self.network.post(self.id, peer, encode(message))

    def _path(self, stream: str) -> tuple[str, ...]:
        return (*(self.follower.path if self.follower else ()), self.id)


class Network:
    """Everything between the nodes, and time."""

    def __init__(self, seed: int = 0, weather: Weather | None = None) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.weather = weather or Weather()
        self.nodes: dict[str, Node] = {}
        self.away: set[str] = set()
        """Nodes that nothing reaches and nothing leaves."""
        self.broken: set[tuple[str, str]] = set()
        """From whom to whom nothing comes through."""
        self.dark: set[tuple[str, str]] = set()
        """From whom to whom no media comes through, though all else does."""
        self.carried = 0
        """Messages of media."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = count()
        self._pipes: dict[tuple[str, str], list[Parcel]] = defaultdict(list)
        self._busy_until: dict[tuple[str, str], float] = defaultdict(float)

    def node(self, id: str, max_bytes: int = 1 << 30, lag_s: float = 1e9) -> Node:
        """A new node, with an empty log."""
        node = self.nodes[id] = Node(id, self, empty_log(max_bytes), lag_s)
        return node

    def at(self, time: float, act: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._events, (time, next(self._count), act))

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            ringing = min(self.nodes.values(), key=Node.timer)
            event_at = self._events[0][0] if self._events else until
            self.now = max(self.now, min(ringing.timer(), event_at, until))
            if self.now >= until:
                return
            if event_at <= self.now:
                heapq.heappop(self._events)[2]()
            else:
                ringing.handle_timer()

    def post(self, sender: str, receiver: str, data: bytes) -> None:
        """Carry a control message: once, twice or not at all."""
        weather, chance = self.weather, self.random.random
        arrivals = []
        if chance() >= weather.drop:
            arrivals.append(weather.jitter_s * chance())
        if chance() < weather.repeat:
            arrivals.append(0.1 + chance())
        for late in arrivals:
            self.at(self.now + weather.delay_s + late, lambda: self._arrive(sender, receiver, data))

    def carry(self, sender: str, delivery: Delivery) -> bool:
        """Take a message of media, if the connection has room, and look whether there is credit for it."""
        link, pack, parts = delivery
        assert link.spent + pack.short < link.credit
        route = sender, link.peer
        if len(self._pipes[route]) >= CAPACITY:
            return False
        self.carried += 1
        self._busy_until[route] = max(self._busy_until[route], self.now) + pack.size / self.weather.rate
        self._send(route, Parcel(parts), self._busy_until[route] + self.weather.delay_s)
        return True

    def cut(self, sender: str, receiver: str) -> None:
        """Break the connection: some of what is on its way is lost, the rest comes late and out of order."""
        for parcel in self._pipes.pop((sender, receiver), []):
            parcel.lost = True
            if self.random.random() < 0.5:
                self._send((sender, receiver), Parcel(parcel.parts), self.now + 0.2 * self.random.random())

    def _arrive(self, sender: str, receiver: str, data: bytes) -> None:
        if not ({sender, receiver} & self.away or (sender, receiver) in self.broken):
            self.nodes[receiver].receive(decode(data), sender)

    def _send(self, route: tuple[str, str], parcel: Parcel, time: float) -> None:
        pipe = self._pipes[route]
        pipe.append(parcel)

        def arrive() -> None:
            if parcel.lost:
                return
            pipe.remove(parcel)
            if not (set(route) & self.away or route in self.broken | self.dark):
                self.nodes[route[1]].receive_media(parcel.parts)
            self.nodes[route[0]].settle()

        self.at(time, arrive)
