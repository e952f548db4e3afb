"""A fleet under players: hosts in zones, what each of them carries, and the tables by which all of them decide.

The others see a host's load and what it holds as it reported them, once a second. It knows itself exactly, so a player
who was sent to a host that has filled up meanwhile is refused there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import dist
from random import Random
from typing import Any

from mesh.balance.deputy import deputy
from mesh.balance.idle import linger_s, shortcut
from mesh.balance.ring import rank
from mesh.balance.room import Rooms
from mesh.balance.supply import suppliers
from mesh.config import BalanceConfig
from mesh.config.weight import LIMITS
from mesh.gossip.member import Card, Lead, LeadState, Link, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

BPS = 2_000_000
"""Of every stream."""
LINGER_S = 10.0
AGAIN_S = 15
"""Between two looks of a host for a better supplier of a stream; the first comes after half of it."""
PRICES = {0.3: 0.4, 0.7: 0.7, 2.0: 1.0}
"""What traffic between zones costs, up to each distance."""
NEARBY_MS, BASE_MS, MS_PER_DISTANCE = 10.0, 20.0, 120.0
"""From a player to a host of his zone, and to one beyond: most of it is his own line."""


@dataclass(slots=True)
class Copy:
    """A stream that a host holds."""

    since: float
    supplier: str = ""
    """Empty at the leader."""
    players: int = 0
    followers: int = 0
    """Hosts that fetch it from here."""
    needed: float = 0.0
    """When it last had a player."""
    told: str = ""
    """The supplier that the others know of."""


@dataclass(slots=True)
class Host:
    """A node, as far as placement knows it."""

    member: Member
    """As it was last reported."""
    random: Random
    access_ms: float
    rooms: Rooms = field(default_factory=Rooms)
    copies: dict[str, Copy] = field(default_factory=dict)
    players: int = 0
    sends: int = 0
    """Streams that it sends: to players, and to other hosts."""
    alive: bool = True
    turn: int = 0
    """Of a round robin."""

    @property
    def id(self) -> str:
        return self.member.id

    @property
    def zone(self) -> str:
        return self.member.zone

    @property
    def share(self) -> float:
        """How much of its capacity is in use."""
        return self.sends * BPS / self.member.load.capacity_bps

    @property
    def full(self) -> bool:
        """Whether it refuses players."""
        return self.share >= LIMITS["bandwidth"]

    def load(self) -> Load:
        """What it would report now."""
        return replace(self.member.load, tx_bps=self.sends * BPS, players=self.players, streams=len(self.copies))


class Ways(Mapping[str, Link]):
    """The links of a zone's hosts: measured long ago to all others, and right."""

    def __init__(self, fleet: "Fleet", zone: str) -> None:
        self._fleet = fleet
        self._zone = zone
        self._links: dict[str, Link] = {}

    def __getitem__(self, id: str) -> Link:
        if id not in self._links:
            self._links[id] = Link(self._fleet.rtt_ms(self._zone, self._fleet.hosts[id]), 0.0)
        return self._links[id]

    def __len__(self) -> int:
        return len(self._fleet.hosts)

    def __iter__(self) -> Any:
        return iter(self._fleet.hosts)


class Fleet:
    """The hosts, and where their zones lie."""

    def __init__(self, hosts: int, zones: int, streams: int, sends: float, random: Random) -> None:
        """Hosts of different sizes, all together with room for so many players and relays up to their limits."""
        self.now = 0.0
        self.relay_cost = 0.0
        """Of all streams between hosts, at the price of their way."""
        self.hosts: dict[str, Host] = {}
        self.places = {f"z{number}": (random.random(), random.random()) for number in range(zones)}
        self._ways = {zone: Ways(self, zone) for zone in self.places}
        prices = {(one, other): self._price(one, other) for one in self.places for other in self.places}
        self.config = BalanceConfig(cost=prices)
        self.tables = Tables("")
        self._random = random
        sizes = [random.lognormvariate(0, 0.3) for _ in range(hosts)]
        weights = [random.uniform(1, 3) for _ in self.places]
        located = [*self.places, *random.choices([*self.places], weights, k=hosts)]
        for zone, size in zip(located, sizes, strict=False):
            self.start(zone, int(size / sum(sizes) * sends * BPS / LIMITS["bandwidth"]), born=-1e6)
        self.leaders: dict[str, str] = {}
        for number in range(streams):
            self._lead(random.choice([*self.hosts.values()]), f"live/{number}")

    def start(self, zone: str, capacity_bps: int, born: float) -> Host:
        """One more host."""
        id = rank("host", str(len(self.hosts)))
        card = Card(id, id[:6], zone, "0" * 16, 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
        member = Member(card, Status.ALIVE, Load(capacity_bps=capacity_bps), self._ways[zone], born=born)
        self.hosts[id] = Host(member, Random(self._random.random()), self._random.uniform(0, 1))
        self.tables.set_member(member)
        return self.hosts[id]

    def stop(self, host: Host) -> None:
        """It goes down: its publishers come back elsewhere, and who fetched from it finds another supplier."""
        host.alive = False
        host.member = replace(host.member, status=Status.DEAD)
        self.tables.set_member(host.member)
        for stream, copy in host.copies.items():
            holders = [other for other in self.hosts.values() if other.alive and stream in other.copies]
            if not copy.supplier:
                able = [other for other in self.hosts.values() if other.alive and not other.full]
                self._lead(self._random.choice([it for it in holders if not it.full] or able), stream)
            for other in holders:
                if other.copies[stream].supplier == host.id:
                    self._supply(other, stream, other.copies[stream])
            self._move(host, stream, copy, "")
            self.tables.drop_entry(Replica(host.id, stream, 1, "", ()))
        host.copies.clear()

    def rtt_ms(self, zone: str, host: Host) -> float:
        """From a zone to a host."""
        far = BASE_MS + MS_PER_DISTANCE * dist(self.places[zone], self.places[host.zone])
        return (NEARBY_MS if zone == host.zone else far) + host.access_ms

    def price(self, source: str, target: str) -> float:
        """Of a stream from one zone to another."""
        return self.config.cost[source, target]

    def report(self, host: Host) -> None:
        """Let the others see how it is."""
        host.member = replace(host.member, load=host.load())
        self.tables.set_member(host.member)

    def tend(self, host: Host) -> None:
        """Drop what nobody needs, look now and then for a better supplier of the rest, and say what it holds."""
        for stream, copy in [*host.copies.items()]:
            if not copy.supplier:
                continue
            if copy.players:
                copy.needed = self.now
            elif self._lingered(host, stream, copy):
                self._let_go(host, stream, copy)
                continue
            if round(self.now - copy.since) % AGAIN_S == AGAIN_S // 2:
                self._supply(host, stream, copy)
            if copy.told != copy.supplier:
                copy.told = copy.supplier
                path = tuple(self._path(copy.supplier, stream))
                self.tables.set_entry(Replica(host.id, stream, 1, copy.supplier, path))

    def serve(self, host: Host, stream: str) -> bool:
        """A player comes to a host; whether it takes him."""
        if host.full or not host.alive:
            return False
        copy = host.copies.get(stream) or Copy(self.now)
        if stream not in host.copies:
            self._supply(host, stream, copy)
            if not copy.supplier:
                return False
            host.copies[stream] = copy
        copy.players += 1
        host.players += 1
        host.sends += 1
        return True

    def leave(self, host: Host, stream: str) -> None:
        """A player goes."""
        copy = host.copies[stream]
        copy.players -= 1
        copy.needed = self.now
        host.players -= 1
        host.sends -= 1

    def lingering(self) -> float:
        """What of the relays' cost goes for copies that nobody uses."""
        idle = (
            (host, self.hosts[copy.supplier])
            for host in self.hosts.values()
            for copy in host.copies.values()
            if copy.supplier and not copy.players and not copy.followers
        )
        return sum(self.price(supplier.zone, host.zone) for host, supplier in idle)

    def depth(self, host: Host, stream: str) -> int:
        """How many hops from the leader this host's copy is."""
        copy = host.copies[stream]
        return len(self._path(copy.supplier, stream)) if copy.supplier else 0

    def _lead(self, host: Host, stream: str) -> None:
        if old := self.leaders.get(stream):
            self.tables.drop_entry(Lead(old, stream, 1, LeadState.LIVE))
        self.leaders[stream] = host.id
        copy = host.copies.setdefault(stream, Copy(self.now))
        self._move(host, stream, copy, "")
        copy.told = ""
        self.tables.drop_entry(Replica(host.id, stream, 1, "", ()))
        self.tables.set_entry(Lead(host.id, stream, 1, LeadState.LIVE, kbps=BPS // 1000))

    def _price(self, one: str, other: str) -> float:
        far = dist(self.places[one], self.places[other])
        return next(price for most, price in PRICES.items() if far <= most) if one != other else 0.0

    def _path(self, supplier: str, stream: str) -> list[str]:
        """From the leader down to this supplier, as it really is."""
        path = [supplier]
        while above := self.hosts[path[0]].copies[stream].supplier:
            path.insert(0, above)
        return path

    def _supply(self, host: Host, stream: str, copy: Copy) -> None:
        """Fetch it from the best who has it, or from whom that one names; who has lost its source, from any."""
        self.tables.me = host.id
        for node in suppliers(stream, self.tables, (), self.config):
            if node == copy.supplier:
                break
            feeder = self._feeder(node, host, stream) if self._feeds(node, host, stream) else ""
            if self._feeds(feeder, host, stream):
                self._move(host, stream, copy, feeder)
                break
        if copy.supplier and not self.hosts[copy.supplier].alive:
            self._move(host, stream, copy, self.leaders[stream])

    def _feeds(self, node: str, host: Host, stream: str) -> bool:
        """Whether it really has it, and does not have it from this host."""
        other = self.hosts.get(node)
        return other is not None and other.alive and stream in other.copies and host.id not in self._path(node, stream)

    def _feeder(self, node: str, host: Host, stream: str) -> str:
        """Who is to feed a host that asks this node."""
        self.tables.me = node
        return deputy(stream, host.id, self.tables, self.hosts[node].load())

    def _lingered(self, host: Host, stream: str, copy: Copy) -> bool:
        """Whether it is not needed any more, after its followers have been asked to go on from elsewhere."""
        self.tables.me = host.id
        if self.now - copy.needed <= linger_s(stream, self.tables, LINGER_S, self.config):
            return False
        if copy.followers and shortcut(stream, self.tables, self.config) == copy.supplier:
            for replica in self.tables.replicas(stream):
                follower = self.hosts[replica.node]
                if replica.supplier == host.id == follower.copies[stream].supplier:
                    self._move(follower, stream, follower.copies[stream], copy.supplier)
        return not copy.followers

    def _move(self, host: Host, stream: str, copy: Copy, supplier: str) -> None:
        for node, change in ((copy.supplier, -1), (supplier, 1)):
            if node:
                other = self.hosts[node]
                other.sends += change
                other.copies[stream].followers += change
                self.relay_cost += change * self.price(other.zone, host.zone)
        copy.supplier = supplier

    def _let_go(self, host: Host, stream: str, copy: Copy) -> None:
        if copy.supplier:
            self._move(host, stream, copy, "")
            del host.copies[stream]
            self.tables.drop_entry(Replica(host.id, stream, 1, "", ()))
