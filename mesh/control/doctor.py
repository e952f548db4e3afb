"""Doctor: what keeps a node from others, worked out from what it sees itself and what its peers find."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mesh.control.reply import optional
from mesh.gossip.member import Status
from mesh.media.wire import message

PORTS: Final = ("control", "gossip", "media")


class Verdict(StrEnum):
    """What became of a TCP connection to an address."""

    OPEN = "open"
    REFUSED = "refused"
    """The host is there, and nobody listens."""
    SILENT = "silent"
    """No answer at all, or no way to it."""


@message(66)
@dataclass(frozen=True, slots=True)
class AskReach:
    """Which of my addresses can you connect to?"""

    nonce: int


@message(67)
@dataclass(frozen=True, slots=True)
class Reach:
    """The answer to `AskReach`: each address and its `Verdict`."""

    nonce: int
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Own:
    """One address that this node advertises, and who can connect to it."""

    address: str
    port: str
    """One of `PORTS`."""
    open: tuple[str, ...]
    refused: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """One seed, at one of the addresses that its name means."""

    seed: str
    address: str = ""
    """Empty if the name means nothing."""
    verdict: str = ""
    node: str = ""
    """Who is there, if it has been met."""
    trouble: str = ""
    """What is wrong with it, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node, and the way to it."""

    node: str
    status: str
    address: str
    """The host by which it is reached; the one it came from while it is not."""
    age_ms: int | None
    """Since its last sign; None if it is gone."""
    rtt_ms: float | None
    loss: float | None
    ports: dict[str, str]
    """What a connection to each of its `PORTS` comes to."""
    trouble: str = optional("")


@dataclass(frozen=True, slots=True)
class Unknown:
    """An address at which somebody fails to meet this node, whoever he is."""

    address: str
    suspect: str
    trouble: str
    times: int


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something to look at."""

    suspect: str
    where: str
    says: str


@dataclass(frozen=True, slots=True)
class Examination:
    """`/api/v1/doctor`"""

    node: str
    mesh: str
    secret: bool
    mdns: bool
    advertise: str
    protocol: int
    addresses: tuple[Own, ...]
    seeds: tuple[Seed, ...]
    peers: tuple[Peer, ...]
    troubles: tuple[Unknown, ...]
    suspects: tuple[Suspect, ...] = ()
    partial: tuple[str, ...] = optional(())
    """Peers that did not say in time what they can reach."""


def diagnose(found: Examination) -> tuple[Suspect, ...]:
    """What to look at, the worst first."""
    suspects = [*_nobody(found), *_troubles(found), *_seeds(found), *_peers(found.peers), *_addresses(found)]
    return tuple(dict.fromkeys(suspects))


def _nobody(found: Examination) -> Iterator[Suspect]:
    if any(peer.age_ms is not None for peer in found.peers):
        return
    if not found.seeds and not found.mdns:
        yield Suspect("discovery", found.node, "it has no seeds, and mesh.mdns is off: name a node, mesh.seeds=HOST")
    elif not found.seeds:
        yield Suspect("discovery", found.node, "multicast DNS has found nobody: name a node, mesh.seeds=HOST")


def _troubles(found: Examination) -> Iterator[Suspect]:
    for trouble in found.troubles:
        yield Suspect(trouble.suspect, trouble.address, trouble.trouble)


def _seeds(found: Examination) -> Iterator[Suspect]:
    own = " or ".join(row.address for row in found.addresses if row.port == "control")
    for seed in found.seeds:
        if not seed.address:
            yield Suspect("name", seed.seed, "this host cannot resolve it")
        elif not seed.node and not seed.trouble:
            yield from _closed(seed.verdict, seed.address, "control")
            if seed.verdict == Verdict.OPEN:
                says = f"takes connections but does not answer: is a node there that can reach this one at {own}?"
                yield Suspect("seed", seed.address, says)


def _peers(peers: Sequence[Peer]) -> Iterator[Suspect]:
    for peer in peers:
        where = f"{peer.node} at {peer.address}"
        for port, verdict in peer.ports.items():
            yield from _closed(verdict, where, port)
        if peer.status == Status.UNREACHABLE and {*peer.ports.values()} == {Verdict.OPEN}:
            yield Suspect("advertise", where, "its ports are open, but it is not heard: is it who listens there?")


def _closed(verdict: str, where: str, port: str) -> Iterator[Suspect]:
    if verdict == Verdict.REFUSED:
        yield Suspect("port", where, f"nobody listens on its {port} port: is a node running there, with this port?")
    elif verdict == Verdict.SILENT:
        yield Suspect("firewall", where, f"its {port} port does not answer: it is filtered, or there is no such host")


def _addresses(found: Examination) -> Iterator[Suspect]:
    """An address that does not do is no trouble while another does."""
    key = "mesh.advertise" if found.advertise else "mesh.listen"
    for port in PORTS:
        rows = [row for row in found.addresses if row.port == port]
        reached = {node for row in rows for node in row.open}
        for node in sorted({node for row in rows for node in (*row.refused, *row.silent)} - reached):
            silent = any(node in row.silent for row in rows)
            if silent and found.advertise:
                says = f"{node} gets no answer from its {port} port at {found.advertise}: is {key} right?"
                yield Suspect("advertise", found.node, says)
            elif silent:
                yield Suspect("firewall", found.node, f"{node} gets no answer from its {port} port at any address")
            else:
                yield Suspect("advertise", found.node, f"{node} finds nobody on its {port} port: is {key} right?")
