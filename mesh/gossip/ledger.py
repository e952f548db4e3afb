"""Ledger: the durable entries of one node, written by it alone; and the copies that all others hold.

Each change gets the next version. The writer remembers its last changes in a ring: who is behind by no more than that
gets a `Delta`, anyone else a `Snap` that replaces its copy. Deletions live in the ring only, so a copy keeps no
tombstones.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from mesh.errors import StreamError, WireError
from mesh.gossip.message import Change, Delta, Snap

RING = 1024
"""Changes that a writer remembers."""
MAX_ENTRIES = 4096
MAX_KEY = 200
MAX_VALUE = 8 << 10
MAX_BYTES = 256 << 10
"""Keys and values of one origin together."""
CHUNK = 32 << 10
"""Keys and values in one message."""
MAX_PARTS = 64
"""Messages that one snapshot may take."""

Entries = dict[str, tuple[int, bytes]]
"""By key: the version that wrote it, and its value."""


class Ledger:
    """What this node says of itself and of its streams."""

    def __init__(self) -> None:
        self.version = 0
        self.entries: Entries = {}
        self._ring: deque[Change] = deque(maxlen=RING)
        self._bytes = 0

    def put(self, key: str, value: bytes) -> bool:
        """Write an entry; False if it says so already. Raises `StreamError` when the ledger is full."""
        old = self.entries.get(key)
        if old and old[1] == value:
            return False
        size = self._bytes + _size(key, value) - (_size(key, old[1]) if old else 0)
        if (len(self.entries) >= MAX_ENTRIES and not old) or size > MAX_BYTES or not _fits(key, value):
            raise StreamError(f"{key[:MAX_KEY]} does not fit: {len(self.entries)} entries, {self._bytes} bytes")
        self._bytes = size
        self._write(key, value)
        return True

    def delete(self, key: str) -> bool:
        """Delete an entry; False if there is none."""
        old = self.entries.get(key)
        if old is None:
            return False
        self._bytes -= _size(key, old[1])
        self._write(key, None)
        return True

    def since(self, version: int) -> list[Change] | None:
        """The last change of every key after a version, oldest first; None if the ring does not reach back so far."""
        if version < self.version - len(self._ring) or version > self.version:
            return None
        news = list(takewhile(lambda change: change[1] > version, reversed(self._ring)))
        last = {change[0]: change for change in reversed(news)}
        return sorted(last.values(), key=lambda change: change[1])

    def deltas(self, since: int) -> list[Delta] | None:
        """The same as messages, each the base of the next."""
        changes = self.since(since)
        if changes is None:
            return None
        chunks = list(_chunks(changes))
        ends = [chunk[-1][1] for chunk in chunks[:-1]] + [self.version]
        return [Delta(*delta) for delta in zip([since, *ends], ends, chunks, strict=False)]

    def _write(self, key: str, value: bytes | None) -> None:
        self.version += 1
        self._ring.append((key, self.version, value))
        if value is None:
            del self.entries[key]
        else:
            self.entries[key] = (self.version, value)


class Copy:
    """What another node says, as far as it has arrived."""

    def __init__(self, boot: str) -> None:
        self.boot = boot
        self.version = 0
        self.entries: Entries = {}
        self._bytes = 0
        self._parts: dict[int, Snap] = {}

    def apply(self, delta: Delta) -> list[Change] | None:
        """Take a delta and return what it changed; None if something before it is missing. Raises `WireError`."""
        if delta.base > self.version:
            return None
        news = list({change[0]: change for change in delta.changes if change[1] > self.version}.values())
        if any(change[1] > delta.version for change in news):
            raise WireError(f"delta to version {delta.version} has a change beyond it")
        size = self._bytes
        for key, _, value in news:
            old = self.entries.get(key)
            size += (0 if value is None else _size(key, value)) - (_size(key, old[1]) if old else 0)
        _check_size(news, len(self.entries.keys() | {key for key, _, value in news if value is not None}), size)
        for key, version, value in news:
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = (version, value)
        self._bytes, self.version = size, max(self.version, delta.version)
        return news

    def assemble(self, snap: Snap) -> list[Change] | None:
        """Take a part of a snapshot; when it was the last one, return what changed. Raises `WireError`."""
        if not 0 <= snap.part < snap.parts <= MAX_PARTS:
            raise WireError(f"snapshot has part {snap.part} of {snap.parts}")
        if snap.version <= self.version:
            return None
        self._parts = {n: part for n, part in self._parts.items() if _same(part, snap)}
        self._parts[snap.part] = snap
        held = [change for part in self._parts.values() for change in part.changes]
        size = sum(_size(key, value) for key, _, value in held)
        if not _bearable(len(held), size):
            self._parts = {}
        _check_size(held, len(held), size)
        if len(self._parts) < snap.parts:
            return None
        self._parts = {}
        changes = list({change[0]: change for change in held}.values())
        old, self.entries = (
            self.entries,
            {key: (version, value) for key, version, value in changes if value is not None},
        )
        self._bytes, self.version = size, snap.version
        gone: list[Change] = [(key, snap.version, None) for key in old if key not in self.entries]
        return gone + [change for change in changes if old.get(change[0]) != change[1:]]


def snapshot(origin: str, boot: str, version: int, entries: Entries) -> list[Snap]:
    """Everything an origin says, in parts that fit a message."""
    chunks = list(_chunks([(key, changed, value) for key, (changed, value) in entries.items()]))
    return [Snap(origin, boot, version, part, len(chunks), chunk) for part, chunk in enumerate(chunks)]


def _chunks(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    chunk: list[Change] = []
    size = 0
    for change in changes:
        more = _size(change[0], change[2])
        if chunk and size + more > CHUNK:
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(change)
        size += more
    yield tuple(chunk)


def _size(key: str, value: bytes | None) -> int:
    return len(key.encode()) + len(value or b"") + 16


def _fits(key: str, value: bytes | None) -> bool:
    return len(key.encode()) <= MAX_KEY and len(value or b"") <= MAX_VALUE


def _same(one: Snap, other: Snap) -> bool:
    return (one.boot, one.version, one.parts) == (other.boot, other.version, other.parts)


def _bearable(count: int, size: int) -> bool:
    return count <= MAX_ENTRIES and size <= MAX_BYTES


def _check_size(changes: Iterable[Change], count: int, size: int) -> None:
    for key, _, value in changes:
        if not _fits(key, value):
            raise WireError(f"entry {key[:40]!r} of {_size(key, value)} bytes, expected no more than {MAX_VALUE}")
    if not _bearable(count, size):
        raise WireError(f"{count} entries of {size} bytes, expected no more than {MAX_ENTRIES} of {MAX_BYTES}")
