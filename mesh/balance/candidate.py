"""Judge: whether a node can take a client at all, and how good it would be for it."""

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import NamedTuple

from mesh.balance.load import lack
from mesh.balance.locality import client_zone, cost, dearest, link, witness
from mesh.balance.request import Action, Request
from mesh.balance.ring import rank
from mesh.balance.room import Rooms
from mesh.balance.supply import HEARD
from mesh.balance.term import MOVING, PLACE, Sight, score, values
from mesh.config import BalanceConfig
from mesh.config.weight import POLICIES
from mesh.gossip.member import Load, Member, Status
from mesh.gossip.tables import Tables

YOUNGEST = 0.05
"""The share of its capacity that a node may fill at once after its start."""
SHOWN = 48
"""Of those that cannot take the client so many are told of, however many there are."""
IDLE = Load()
SOME = 3
"""Nodes that tell how far their zone is."""


class Candidate(NamedTuple):
    """One node in the light of one request."""

    node: str
    zone: str
    role: str
    """What it has of the stream: "leader", "replica" or nothing."""
    here: bool
    """Whether it is the node that was asked."""
    terms: Mapping[str, float]
    """What its score is made of, each from 0 to 1."""
    score: float
    """The lower the better."""
    draw: float
    """Decides among equals, the lowest wins: by the session if there is one, else by chance."""
    lost: str = ""
    """Why it was not chosen; empty for the one that was."""


def roles(stream: str, tables: Tables) -> dict[str, str]:
    """Who has the stream, and as what; some of them may be dead."""
    found = dict.fromkeys(tables.holders(stream), "replica")
    if leader := tables.leader(stream):
        found[leader.node] = "leader"
    return found


def weights(config: BalanceConfig, request: Request) -> dict[str, float]:
    """What each term counts for.

    To send a publisher elsewhere must be worth as much as to fetch a stream. A session, which is to find the same node
    again, goes by nothing that moves with every report.
    """
    weighed = POLICIES[config.policy] or config.weights
    names = {"stream": "asked", "players": "streams"} if request.action == Action.PUBLISH else {}
    passing = MOVING if request.sid else ()
    return {names.get(name, name): weight for name, weight in weighed.items() if weight and name not in passing}


class Judge:
    """Judges nodes for one client."""

    def __init__(
        self,
        request: Request,
        tables: Tables,
        config: BalanceConfig,
        rooms: Rooms,
        random: Random,
        now: float,
        resort: int = 0,
    ) -> None:
        """`resort` says which of those that `rooms` knows is tried."""
        self.relents = False
        """Whether a node was passed over that could take the client as another resort."""
        self.lost: list[Candidate] = []
        """Some that were passed over, if it is to be explained."""
        self.zone = client_zone(request.zone, tables)
        self.weights = weights(config, request)
        self.roles = roles(request.stream, tables)
        self._placed = [name for name in self.weights if name in PLACE]
        self._request = request
        self._tables = tables
        self._config = config
        self._rooms = rooms
        self._inflight = rooms.inflight
        self._random = random
        self._now = now
        self._resort = resort
        self._limits = config.limits
        self._reserved, self._last_resort = rooms.resorts[resort]
        self._replicas = tables.holders(request.stream)
        self._costs: dict[str, float] = {}
        self._dearest = dearest(config.cost)
        # Where this node is no older than the other, the whole mesh has just begun.
        self._ramp = min(config.ramp_s, now - tables.members[tables.me].born)
        self._witness = witness(self.zone, tables)
        heard = any(tables.members[node].status in HEARD for node in self.roles if node in tables.members)
        self._cannot_fetch = request.action == Action.PLAY and not heard

    def __call__(self, member: Member) -> Candidate:
        """What to hold of a node. Who cannot take the client gets no score."""
        load = self._inflight.load(member, self._now)
        lost = self._lost(member, load)
        return self._candidate(member, lost.format(load=load)) if lost else self._weighed(member, load)

    def able(self, nodes: Iterable[str]) -> Iterator[Candidate]:
        """Those of these nodes that can take the client."""
        for member, resort in self._rooms.resorts_of(nodes, self._tables.members):
            here = member.card.id == self._tables.me
            if resort <= self._resort or here:
                load = self._inflight.load(member, self._now)
                if not self._lost(member, load):
                    yield self._weighed(member, load)
                    continue
            elif resort < len(self._rooms.resorts):
                self.relents = True
            if self._request.explain and len(self.lost) < SHOWN and not here:
                self.lost.append(self(member))

    def passes_over(self, zone: str) -> bool:
        """Whether nobody there needs to be looked at: all are full, and nobody wants to know by what."""
        return not self._request.explain and self._rooms.full(zone, self._tables)

    def explained(self, candidate: Candidate) -> Candidate:
        """One that cannot take the client, with what its score would be made of."""
        if candidate.terms:
            return candidate
        member = self._tables.members[candidate.node]
        weighed = self._weighed(member, self._inflight.load(member, self._now))
        return candidate._replace(terms=weighed.terms, score=weighed.score)

    def bound(self, zone: str) -> float:
        """No node of this zone has a better score than this, as far as a few of them tell."""
        some = (link(self._witness, self._tables.members[node]) for node in self._tables.zones[zone][:SOME])
        rtt_ms = min(way.rtt_ms for way in some)
        ideal = Sight(IDLE, self._limits, away=zone != self.zone, cost=self._cost(zone), rtt_ms=rtt_ms)
        return score(values(ideal, self._placed), self.weights)

    def _weighed(self, member: Member, load: Load) -> Candidate:
        candidate = self._candidate(member)
        terms = values(self._sight(member, load, candidate), self.weights)
        return candidate._replace(terms=terms, score=score(terms, self.weights))

    def _candidate(self, member: Member, lost: str = "") -> Candidate:
        sid, role = self._request.sid, self.roles.get(member.id, "")
        draw = int(rank(sid, member.id), 16) / 2**128 if sid else self._random.random()
        return Candidate(member.id, member.zone, role, member.id == self._tables.me, {}, 0.0, draw, lost)

    def _lost(self, member: Member, load: Load) -> str:
        """Why a node cannot take the client, with the figures still to be filled in; empty if it can."""
        here = member.id == self._tables.me
        if self._request.tied and not here:
            return f"is not the node that was asked: {self._request.tied}"
        if member.status != Status.ALIVE:
            return f"is {member.status}"
        if words := lack(load, self._limits, last_resort=True):
            return f"is full: {words}"
        if words := lack(load, self._limits if here else self._reserved, self._last_resort):
            self.relents = True
            return f"is {'ill' if load.ill else 'all but full'}: {words}"
        return "cannot get the stream" if self._cannot_fetch and member.id not in self.roles else ""

    def _sight(self, member: Member, load: Load, candidate: Candidate) -> Sight:
        way, age, ramp = link(self._witness, member), self._now - member.born, self._ramp
        replica = self._replicas.get(member.id)
        return Sight(
            load=load,
            limits=self._limits,
            grown=max(age / ramp, YOUNGEST) if age < ramp > 0 else 1.0,
            away=member.zone != self.zone,
            cost=self._cost(member.zone),
            rtt_ms=way.rtt_ms,
            loss=way.loss,
            jitter_ms=way.jitter_ms,
            here=candidate.here,
            role=candidate.role,
            depth=len(replica.path) if replica else 0,
            draw=candidate.draw,
        )

    def _cost(self, zone: str) -> float:
        """Of traffic between this zone and the client, compared with the dearest."""
        if zone not in self._costs:
            ends = (zone, self.zone) if self._request.action == Action.PLAY else (self.zone, zone)
            self._costs[zone] = cost(*ends, self._config.cost) / self._dearest
        return self._costs[zone]
