"""Doctor: finds out who can connect to whom, for `meshctl doctor`."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from mesh.config import MESH_PORT, Address, MeshConfig
from mesh.control.doctor import PORTS, AskReach, Examination, Own, Peer, Reach, Seed, Unknown, Verdict, diagnose
from mesh.gossip.member import Card, Member
from mesh.gossip.message import PROTO
from mesh.net.addresses import resolve
from mesh.net.gossip import Gossip
from mesh.net.probe import probe_all
from mesh.net.tasks import Spawn

TIMEOUT_S = 2.0
"""For peers to try our addresses; twice what one of them may take."""
RECENT_S = 120.0
"""Troubles are repeated at least every half minute while they last."""
MOST = 100
"""Peers that are probed."""


class Question:
    """One `AskReach`, and what came of it."""

    def __init__(self, asked: set[str]) -> None:
        self.answers: dict[str, Reach] = {}
        self.answered = asyncio.Event()
        self._asked = asked

    def take(self, peer: str, reach: Reach) -> None:
        """One answer; of one that was asked."""
        if peer in self._asked:
            self.answers[peer] = reach
        if len(self.answers) == len(self._asked):
            self.answered.set()


class Doctor:
    """Examines this node, and helps to examine others."""

    def __init__(self, config: MeshConfig, gossip: Gossip, random: Random, spawn: Spawn) -> None:
        self._config = config
        self._gossip = gossip
        self._random = random
        self._spawn = spawn
        self._one = asyncio.Lock()
        self._helped: set[str] = set()
        self._questions: dict[int, Question] = {}
        gossip.on(AskReach, self._asked)
        gossip.on(Reach, self._answered)

    async def examine(self) -> Examination:
        """Everything that speaks for or against a connection; one examination at a time."""
        async with self._one:
            reach, seeds, peers = await asyncio.gather(self._ask_all(), self._seeds(), self._peers())
            gossip, known = self._gossip, self._gossip.security.troubles.known
            now = asyncio.get_running_loop().time()
            found = Examination(
                node=gossip.tables.display_name(gossip.id),
                mesh=self._config.name,
                secret=gossip.security.sealed,
                mdns=self._config.mdns,
                advertise=self._config.advertise,
                protocol=PROTO,
                addresses=tuple(self._own(reach)),
                seeds=seeds,
                peers=peers,
                troubles=tuple(
                    Unknown(where, it.cause.suspect, it.sentence, it.times)
                    for where, it in known.items()
                    if now < it.last + RECENT_S
                ),
                partial=tuple(self._name(member) for member in self._living() if member.id not in reach),
            )
        return replace(found, suspects=diagnose(found))

    def _living(self) -> list[Member]:
        tables = self._gossip.tables
        return [m for m in tables.members.values() if m.id != tables.me and m.status.living][:MOST]

    def _name(self, member: Member) -> str:
        return self._gossip.tables.display_name(member.id)

    async def _ask_all(self) -> dict[str, Reach]:
        """What each peer can connect to of this node, as far as they say so in time."""
        nonce = self._random.getrandbits(63)
        asked = {member.id for member in self._living() if self._gossip.send(member.id, AskReach(nonce))}
        question = self._questions[nonce] = Question(asked)
        try:
            async with asyncio.timeout(TIMEOUT_S if asked else 0):
                await question.answered.wait()
        except TimeoutError:
            pass
        return self._questions.pop(nonce).answers

    def _asked(self, sender: str, ask: AskReach) -> None:
        if sender not in self._helped:
            self._helped.add(sender)
            self._spawn(self._help(sender, ask))

    async def _help(self, sender: str, ask: AskReach) -> None:
        """Try a peer's addresses for it."""
        try:
            card = self._gossip.tables.members[sender].card
            verdicts = await probe_all([address for host in card.addresses for _, address in _ports(host, card)])
            rows = tuple([(str(address), str(verdict)) for address, verdict in verdicts.items()])
            self._gossip.send(sender, Reach(ask.nonce, rows))
        finally:
            self._helped.discard(sender)

    def _answered(self, sender: str, reach: Reach) -> None:
        if question := self._questions.get(reach.nonce):
            question.take(sender, reach)

    def _own(self, reach: dict[str, Reach]) -> Iterator[Own]:
        members = self._gossip.tables.members
        said = {self._name(members[id]): dict(answer.rows) for id, answer in reach.items() if id in members}
        card = self._gossip.card
        for host in card.addresses:
            for port, address in _ports(host, card):
                found = [tuple(n for n, rows in said.items() if rows.get(str(address)) == v) for v in Verdict]
                yield Own(str(address), port, *found)

    async def _seeds(self) -> tuple[Seed, ...]:
        named = {seed: await resolve(Address.parse(seed, MESH_PORT)) for seed in self._config.seeds}
        verdicts = await probe_all([address for addresses in named.values() for address in addresses])
        return tuple(
            Seed(seed, str(address), str(verdicts[address]), self._who(address), self._trouble(address))
            for seed, addresses in named.items()
            for address in addresses
        ) + tuple(Seed(seed) for seed, addresses in named.items() if not addresses)

    def _who(self, address: Address) -> str:
        """The name of the node at this address."""
        for member in self._gossip.tables.members.values():
            route = self._gossip.route(member.id)
            if address in (route, *(Address(host, member.card.control) for host in member.card.addresses)):
                return self._name(member)
        return ""

    async def _peers(self) -> tuple[Peer, ...]:
        living = self._living()
        ends = {member.id: _ports(self._host(member), member.card) for member in living}
        verdicts = await probe_all([address for end in ends.values() for _, address in end])
        return tuple(
            self._peer(member, {port: str(verdicts[address]) for port, address in ends.get(member.id, ())})
            for member in self._gossip.tables.listed()
            if member.id != self._gossip.id
        )

    def _trouble(self, address: Address | None) -> str:
        trouble = self._gossip.security.troubles.known.get(str(address))
        return trouble.sentence if trouble else ""

    def _host(self, member: Member) -> str:
        return member.address or next(iter(member.card.addresses), "127.0.0.1")

    def _peer(self, member: Member, ports: dict[str, str]) -> Peer:
        gossip = self._gossip
        link, age_s = gossip.tables.members[gossip.id].links.get(member.id), gossip.age_s(member.id)
        return Peer(
            node=self._name(member),
            status=str(member.status),
            address=member.address,
            age_ms=None if age_s is None else round(1000 * age_s),
            rtt_ms=link.rtt_ms if link else None,
            loss=link.loss if link else None,
            ports=ports,
            trouble=self._trouble(gossip.route(member.id)),
        )


def _ports(host: str, card: Card) -> list[tuple[str, Address]]:
    numbers = (card.control, card.gossip, card.media)
    return [(port, Address(host, number)) for port, number in zip(PORTS, numbers, strict=True)]
