"""A crowd: players who come, stay a while and go, to streams whose popularity falls off as Zipf says.

A run has four parts: the crowd comes; it lasts, each who goes being followed by another; a tenth of it joins one stream
within ten seconds; and a host dies while another begins.
"""

import statistics
from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate, count
from random import Random
from typing import NamedTuple

from mesh.balance.request import Request
from mesh.config.weight import LIMITS
from tests.sim.fleet import BPS, Fleet, Host
from tests.sim.optimum import least_cost, least_tree
from tests.sim.rivals import Choose

TICK_S = 0.1
COMING_S, FLASH_AT_S, FLASH_S, DEATH_AT_S, END_S = 40.0, 60.0, 10.0, 80.0, 100.0
STAY_S = 120.0
AGAIN_S = 1.0
"""Until a player who was refused tries again, as Retry-After tells him."""
AT_HOME = 0.9
"""Of the players ask a host of their own zone; the others any."""
FLASH_RANK = 100
"""How popular the stream was that a tenth of all join."""
UNEVEN = 0.4
"""How far the players of a zone are off its share of the capacity: some zones are too small for theirs."""
WHOLE = 200
"""Up to so many hosts the optimum is that of hosts; beyond, that of zones."""


@dataclass(slots=True, eq=False)
class Player:
    """One who watches a stream from a zone."""

    zone: str
    stream: str
    host: Host | None = None


class Seen(NamedTuple):
    """What was seen in one second."""

    at: float
    refused: int
    over: int
    """Hosts that send more than their capacity."""
    fullest: float
    """Share of its capacity that the fullest host sends."""


class Outcome(NamedTuple):
    """How the players are placed at one moment."""

    rtt_ms: float
    least_rtt_ms: float
    cost: float
    """Of all traffic between zones, of players and of relays, for each player."""
    least_cost: float
    lingering: float
    """The part of the cost that goes for copies which nobody needs any more, or not yet again."""
    at_home: float
    """Share of the players who are served in their own zone."""
    share: float
    """Of the fleet's capacity that is in use."""
    spread: float
    """Standard deviation of the hosts' shares."""
    copies: int
    """Streams that hosts hold without leading them."""
    depth: float
    deepest: int


class Crowd:
    """The players of one fleet, placed in one way."""

    def __init__(self, fleet: Fleet, choose: Choose, size: int, random: Random) -> None:
        self.seen: list[Seen] = []
        self.outcomes: list[Outcome] = []
        self.joined = self.redirected = self.refused = 0
        self._fleet = fleet
        self._choose = choose
        self._size = size
        self._random = random
        self._watching: dict[str, dict[Player, None]] = {id: {} for id in fleet.hosts}
        self._events: list[tuple[float, int, Player, Host | None]] = []
        self._order = count()
        self._streams = [*fleet.leaders]
        self._popular = [*accumulate(1 / (rank + 1) for rank in range(len(self._streams)))]
        rooms = Counter[str]()
        for host in fleet.hosts.values():
            rooms[host.zone] += host.member.load.capacity_bps
        self._zones = [*rooms]
        self._sizes = [*accumulate(room * random.lognormvariate(0, UNEVEN) for room in rooms.values())]

    def run(self) -> None:
        """All of it, as fast as it can be computed."""
        hosts, due = [*self._fleet.hosts.values()], 0.0
        phases = {id(host): self._random.randrange(10) for host in hosts}
        for tick in range(round(END_S / TICK_S)):
            self._fleet.now = now = tick * TICK_S
            due += self._rate(now) * TICK_S
            while due >= 1:
                due -= 1
                self._join(self._newcomer(now))
            self._happen(now)
            if tick == round(DEATH_AT_S / TICK_S):
                hosts.append(self._die(hosts))
                phases[id(hosts[-1])] = 0
            for host in hosts:
                if host.alive and phases[id(host)] == tick % 10:
                    self._fleet.report(host)
                    self._fleet.tend(host)
            if tick % 10 == 9:
                self._look(now)
            if tick + 1 in {round(at / TICK_S) for at in (FLASH_AT_S, DEATH_AT_S, END_S)}:
                self.outcomes.append(self._outcome())

    def _rate(self, now: float) -> float:
        """Who come in a second."""
        if now < COMING_S:
            return self._size / COMING_S
        flash = 0.1 * self._size / FLASH_S if FLASH_AT_S <= now < FLASH_AT_S + FLASH_S else 0.0
        return self._size / STAY_S + flash

    def _newcomer(self, now: float) -> Player:
        zone = self._random.choices(self._zones, cum_weights=self._sizes)[0]
        ordinary = self._size / STAY_S / self._rate(now) if now >= COMING_S else 1.0
        flash = self._random.random() > ordinary
        stream = self._random.choices(self._streams, cum_weights=self._popular)[0]
        return Player(zone, self._streams[FLASH_RANK % len(self._streams)] if flash else stream)

    def _join(self, player: Player) -> None:
        """He asks a host, and is served there, sent on, or refused."""
        fleet, now = self._fleet, self._fleet.now
        ids = fleet.tables.zones[player.zone] if self._random.random() < AT_HOME else [*fleet.hosts]
        asked = fleet.hosts[self._random.choice(ids)]
        if not asked.alive:
            return self._again(player)
        chosen = self._choose(fleet, asked, Request(player.stream, zone=player.zone))
        self.joined += 1
        self.redirected += chosen is not None and chosen is not asked
        if chosen is None or not fleet.serve(chosen, player.stream):
            self.refused += 1
            return self._again(player)
        player.host = chosen
        self._watching[chosen.id][player] = None
        self._event(now + self._random.expovariate(1 / STAY_S), player, chosen)

    def _again(self, player: Player) -> None:
        self._event(self._fleet.now + self._random.uniform(AGAIN_S, 2 * AGAIN_S), player, None)

    def _event(self, when: float, player: Player, host: Host | None) -> None:
        heappush(self._events, (when, next(self._order), player, host))

    def _happen(self, now: float) -> None:
        """Players go, or try again."""
        while self._events and self._events[0][0] <= now:
            _, _, player, host = heappop(self._events)
            if host is None:
                self._join(player)
            elif player.host is host:
                self._fleet.leave(host, player.stream)
                del self._watching[host.id][player]

    def _die(self, hosts: list[Host]) -> Host:
        """The host with the most players dies, and one as large begins in its zone."""
        dying = max(hosts, key=lambda host: host.players)
        self._fleet.stop(dying)
        for player in self._watching[dying.id]:
            player.host = None
            self._event(self._fleet.now + self._random.uniform(0, 2 * AGAIN_S), player, None)
        self._watching[dying.id].clear()
        begun = self._fleet.start(dying.zone, dying.member.load.capacity_bps, born=self._fleet.now)
        self._watching[begun.id] = {}
        return begun

    def _look(self, now: float) -> None:
        shares = [host.share for host in self._fleet.hosts.values() if host.alive]
        self.seen.append(Seen(now, self.refused, sum(share > 1 for share in shares), max(shares)))

    def _outcome(self) -> Outcome:
        fleet = self._fleet
        hosts = {host.id: host for host in fleet.hosts.values() if host.alive}
        placed = [(player, host) for host in hosts.values() for player in self._watching[host.id]]
        rtt = sum(fleet.rtt_ms(player.zone, host) for player, host in placed)
        cost = fleet.relay_cost + sum(fleet.price(host.zone, player.zone) for player, host in placed)
        depths = [fleet.depth(host, player.stream) for player, host in placed]
        shares = [host.share for host in hosts.values()]
        capacity = sum(host.member.load.capacity_bps for host in hosts.values())
        least_rtt, least = self._optimum([player for player, _ in placed], hosts)
        return Outcome(
            rtt / len(placed),
            least_rtt / len(placed),
            cost / len(placed),
            least / len(placed),
            fleet.lingering() / len(placed),
            sum(player.zone == host.zone for player, host in placed) / len(placed),
            sum(host.sends for host in hosts.values()) * BPS / capacity,
            statistics.pstdev(shares),
            sum(copy.supplier != "" for host in hosts.values() for copy in host.copies.values()),
            statistics.fmean(depths),
            max(depths),
        )

    def _optimum(self, players: list[Player], hosts: dict[str, Host]) -> tuple[float, float]:
        """The least that all round trips, and all traffic, of these players could sum up to, beside the same relays."""
        fleet, limit = self._fleet, LIMITS["bandwidth"] / BPS
        demand = Counter(player.zone for player in players)
        room = {
            id: max(int(host.member.load.capacity_bps * limit) - (host.sends - host.players), host.players)
            for id, host in hosts.items()
        }
        if len(hosts) > WHOLE:
            # The hosts of a zone differ by little: one of them stands for all.
            whole = Counter[str]()
            for id, host in hosts.items():
                whole[fleet.tables.zones[host.zone][0]] += room[id]
            room = dict(whole)
        rtt = least_cost(demand, room, lambda zone, host: fleet.rtt_ms(zone, fleet.hosts[host]))
        price = least_cost(demand, room, lambda zone, host: fleet.price(fleet.hosts[host].zone, zone))
        wanted: dict[str, set[str]] = {}
        for player in players:
            wanted.setdefault(player.stream, set()).add(player.zone)
        leaders = {stream: fleet.hosts[fleet.leaders[stream]].zone for stream in wanted}
        return rtt, price + sum(least_tree(leaders[stream], zones, fleet.price) for stream, zones in wanted.items())
