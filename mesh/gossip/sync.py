"""Synchronization: how a copy catches up with its origin, and a mesh with itself.

Every origin serves its own entries: who hears of a version it lacks pulls from the origin at once. Twice in a row a
beat whose digest is not ours: the two compare how far they are with everyone, and each goes and asks. Only what an
origin said that is unreachable from here is taken from a third node, and only when we asked that one for it.
"""

from collections.abc import Iterator, Sequence

from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.dialing import Dialing
from mesh.gossip.ledger import snapshot
from mesh.gossip.member import Status
from mesh.gossip.message import Delta, Known, Pull, Row, Snap, Sync
from mesh.gossip.overlay import PERIOD
from mesh.gossip.roster import MAX_PEERS, Peer, Roster
from mesh.gossip.suspicion import addresses

PULL_S = 0.4
"""For which a pull may be under way before it is sent again."""
SYNC_S = 5.0
"""Between two synchronizations with one peer."""
SYNC_ANY_S = 0.2
"""Between two with anybody."""
SETTLE_S = 0.3
"""For a new peer's entries to arrive before its digest counts; longer by as much as hearts beat slower."""
MISMATCHES = 2
"""Beats in a row."""
ROWS = 128
"""Rows in one `Known`."""


class Synchronization:
    """What this node lacks, and whom it asks for it."""

    def __init__(self, roster: Roster, dialing: Dialing) -> None:
        self.due = float("inf")
        self._roster = roster
        self._dialing = dialing
        self._wishes: dict[str, float] = {}
        self._next = float("-inf")
        self._third: dict[str, str] = {}
        self._awaited: set[str] | None = None

    @property
    def complete(self) -> bool:
        """Whether a peer has told us of all others, and each of them has told us of itself."""
        return self._awaited is not None and all(self._has_told(id) for id in self._awaited)

    @property
    def begun(self) -> bool:
        """Whether a peer has told us of all others."""
        return self._awaited is not None

    def beat(self, peer: Peer, version: int, digest: int, now: float) -> None:
        """A peer tells its version, and the digest of all that it holds."""
        if version > peer.copy.version:
            self.pull(peer, now)
        peer.digest = digest
        peer.mismatches = 0 if digest == self._roster.digest() else peer.mismatches + 1
        if peer.mismatches >= MISMATCHES:
            self._wish(peer, now)

    def contact(self, peer: Peer, joining: bool, now: float) -> None:
        """A new peer, or one that is back, has answered."""
        self._wish(peer, now if joining else now + SETTLE_S)

    def pull(self, peer: Peer, now: float) -> None:
        """Ask an origin for what it changed."""
        if peer.route and now >= peer.pull_at:
            peer.pull_at = now + PULL_S
            self._roster.send(peer, Pull(peer.id, peer.copy.boot, peer.copy.version))

    def serve(self, peer: Peer, wanted: Pull, now: float) -> None:
        """Tell a peer what an origin said: this node itself, or one that the peer cannot reach."""
        card, ledger, third = self._roster.card, self._roster.ledger, self._roster.peers.get(wanted.origin)
        answer: Sequence[Delta | Snap] | None = None
        if (wanted.origin, wanted.boot) == (card.id, card.boot):
            answer = ledger.deltas(wanted.since) or snapshot(card.id, card.boot, ledger.version, ledger.entries)
        elif third and third.copy.boot == wanted.boot:
            answer = snapshot(third.id, third.copy.boot, third.copy.version, third.copy.entries)
        for message in answer or ():
            self._roster.send(peer, message)

    def delta(self, peer: Peer, delta: Delta, now: float) -> None:
        """An origin tells what it changed. Raises `WireError`."""
        changes = peer.copy.apply(delta)
        if changes is None:
            self.pull(peer, now)
            return
        peer.pull_at = now
        self._roster.show(peer.id, changes)

    def snap(self, peer: Peer, snap: Snap, now: float) -> None:
        """All that an origin says, or a part of it. Raises `WireError`."""
        origin = self._roster.peers.get(snap.origin)
        if origin is None or snap.boot != origin.copy.boot:
            return
        if origin is not peer and self._third.get(snap.origin) != peer.id:
            raise WireError(f"entries of {snap.origin} came unasked from {peer.id}")
        changes = origin.copy.assemble(snap)
        if changes is not None:
            origin.pull_at = now
            self._third.pop(snap.origin, None)
            self._roster.show(snap.origin, changes)

    def compare(self, peer: Peer, sync: Sync, now: float) -> None:
        """A peer tells how far it is with everyone: answer with what it lacks, and ask for what we lack."""
        theirs = {row[0]: row for row in sync.rows}
        ahead = [row for row in self._rows() if row[0] != peer.id and _newer(row, theirs.get(row[0]))]
        for chunk in _chunks(ahead) if ahead else [[]]:
            hosts = tuple([self._addresses(id) for id, *_ in chunk])
            self._roster.send(peer, Known(tuple(chunk), hosts))
        if not sync.last and any(self._lacks(row) for row in sync.rows):
            self._roster.send(peer, Sync(tuple(self._rows()), last=True))

    def known(self, peer: Peer, known: Known, now: float) -> None:
        """A peer tells of others, and where they may be."""
        if self._awaited is None:
            self._awaited = set()
        for row, hosts in zip(known.rows, known.addresses, strict=False):
            if self._lacks(row):
                if len(self._awaited) < MAX_PEERS:
                    self._awaited.add(row[0])
                self._fetch(row, hosts, peer, now)

    def tick(self, now: float) -> None:
        """Synchronize with one of those whose digest is not ours."""
        if now < self.due:
            return
        # Where hearts beat slower, the digests that we have are older.
        slower = self._roster.period() - PERIOD if self.begun else 0.0
        for id, due in [*self._wishes.items()]:
            if now < due + slower or now < self._next:
                continue
            del self._wishes[id]
            peer = self._roster.peers.get(id)
            if peer and peer.living and (self._awaited is None or peer.digest != self._roster.digest()):
                peer.sync_at, self._next = now + SYNC_S, now + SYNC_ANY_S
                self._roster.send(peer, Sync(tuple(self._rows()), last=False))
        soonest = min(self._wishes.values(), default=float("inf"))
        self.due = max(soonest + slower, self._next)

    def _wish(self, peer: Peer, due: float) -> None:
        self._wishes.setdefault(peer.id, max(due, peer.sync_at))
        self.due = min(self.due, max(self._wishes[peer.id], self._next))

    def _rows(self) -> Iterator[Row]:
        card = self._roster.card
        yield card.id, card.boot, card.incarnation, self._roster.ledger.version
        for peer in self._roster.living():
            yield peer.id, peer.copy.boot, peer.member.card.incarnation, peer.copy.version

    def _addresses(self, id: str) -> tuple[str, ...]:
        if id == self._roster.card.id:
            return tuple([str(Address(host, self._roster.card.control)) for host in self._roster.card.addresses])
        return tuple([str(address) for address in addresses(self._roster.peers[id])])

    def _lacks(self, row: Row) -> bool:
        """Whether this row is news to us, of somebody other than ourselves."""
        id, boot = row[0], row[1]
        peer = self._roster.peers.get(id)
        if id == self._roster.card.id or (peer and peer.member.status is Status.LEFT and boot == peer.copy.boot):
            return False
        if peer is None or not peer.living:
            return True
        return _newer(row, (id, peer.copy.boot, peer.member.card.incarnation, peer.copy.version))

    def _fetch(self, row: Row, hosts: tuple[str, ...], teller: Peer, now: float) -> None:
        id, boot = row[0], row[1]
        peer = self._roster.peers.get(id)
        if peer is None or not peer.living or boot != peer.copy.boot:
            self._dialing.add(parse(hosts), now, id)
        elif peer.member.status is Status.UNREACHABLE:
            self._third[id] = teller.id
            self._roster.send(teller, Pull(id, boot, peer.copy.version))
        else:
            self.pull(peer, now)

    def _has_told(self, id: str) -> bool:
        peer = self._roster.peers.get(id)
        return peer is not None and peer.copy.version > 0


def _newer(row: Row, than: Row | None) -> bool:
    if than is None:
        return True
    _, boot, incarnation, version = row
    if boot == than[1]:
        return version > than[3]
    return (incarnation, boot) > (than[2], than[1])


def _chunks(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def parse(hosts: tuple[str, ...]) -> list[Address]:
    """The addresses among these texts of another node's."""
    found = []
    for text in hosts[:16]:
        try:
            address = Address.parse(text)
        except ValueError:
            continue
        if address.host and address.port:
            found.append(address)
    return found
