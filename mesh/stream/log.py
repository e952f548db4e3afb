"""StreamLog: the recent frames of one stream, numbered; a reader is just an offset.

Frames are kept by whole GOPs, bounded by time and by bytes. A reader never registers: it asks for the frames from an
offset on, and one that fell off the tail, or never read before (`START`), is put at the newest entry with the headers
in force there.

The bounds, and what gives when they meet:
- time: a GOP goes when all of it is older than `seconds`, but the newest always stays;
- bytes: hard. A GOP longer than that loses its front, and with it its entry: readers inside go on, joiners wait for
  the next keyframe;
- all logs of a node together (`Budget`): hard, the largest log gives.
"""

import sys
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from itertools import takewhile
from typing import NamedTuple

from mesh.errors import MediaError
from mesh.media import codec
from mesh.media.frame import AUDIO, EPOCH_SHIFT, META, VIDEO, Entry, Frame, Position, Span
from mesh.stream.end import End

START = 0
"""The offset of a reader that has read nothing: before every log's tail."""
OVERHEAD = 256
"""Bytes that a frame costs beyond its payload (measured: 233)."""
VIDEO_GONE_MS = 10_000
"""Video that was not heard of for so long has stopped: then sound alone is a place to start."""
MAX_HEADERS = 4 << 20
"""Bytes that all headers in force may have together: they outlive every bound of the window."""
REPEAT_MS = 15_000
"""How much of an epoch the next one may repeat: as much as a leader sends before he hears that another took over."""
NO_FRAMES: tuple[Frame, ...] = ()
SLACK = 8
"""A bound that was met is undercut by this fraction, so that it is not met again with the next frame."""


class Epoch(NamedTuple):
    """One leader's run of a stream."""

    number: int
    leader: str
    """Id of the node that numbers it."""
    after: Position | None
    """The position it continues after; None for the first that this log knows."""


class Budget:
    """What all logs of a node may hold together, in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.taken = 0
        """Payload that was ever put into them."""
        self._logs: set[StreamLog] = set()

    def join(self, log: "StreamLog") -> None:
        """Count a log."""
        self._logs.add(log)

    def leave(self, log: "StreamLog") -> None:
        """Count it no more."""
        self._logs.discard(log)
        self.used -= log.size

    def reclaim(self) -> None:
        """Make the largest logs give until there is room again; what one gives is enough for some time."""
        while self.used > self.limit:
            largest = max(self._logs, key=lambda log: log.size)
            if not largest.give():
                return


class StreamLog:
    """Append-only, bounded, read by offset."""

    def __init__(self, key: str, seconds: float, max_bytes: int, budget: Budget) -> None:
        """`seconds` and `max_bytes` bound this log, `budget` it and its neighbours."""
        self.key = key
        self.epochs: list[Epoch] = []
        self.size = 0
        self.head = START
        self.tail = START
        self.last_dts: dict[int, int] = {}
        """The newest dts of each kind, in ms."""
        self.cts = 0
        """The largest so far."""
        self._past: dict[int, dict[int, bytes]] = {}
        """Payloads of the newest frames before the newest epoch, by kind and dts, while it may repeat some of them."""
        self.kinds: set[int] = set()
        """What the newest epoch carries, as far as it has come."""
        self.on_append: Callable[[], None] = lambda: None
        """Called after each frame: a bell, whoever may read."""
        self._window_ms = int(seconds * 1000)
        self._max_bytes = max_bytes
        self._budget = budget
        self._offsets: list[int] = []
        self._frames: list[Frame] = []
        self._entries: deque[Entry] = deque()
        self._in_force: dict[tuple[int, int, int], Frame] = {}
        self._headers: tuple[Frame, ...] = ()
        budget.join(self)

    @property
    def entry(self) -> Entry | None:
        """The newest keyframe (without video: the newest frame), where a player starts."""
        return self._entries[-1] if self._entries else None

    def entry_before(self, offset: int) -> Entry | None:
        """The last place to start that is no later than this."""
        return next((entry for entry in reversed(self._entries) if entry.offset <= offset), None)

    @property
    def headers(self) -> tuple[Frame, ...]:
        """The metadata and sequence headers in force at the head."""
        return self._headers

    @property
    def position(self) -> Position | None:
        """Where a follower resumes: the log end, and who numbered it; None before the first epoch."""
        if not self.epochs:
            return None
        return Position(self.epochs[-1].number, self.epochs[-1].leader, self.head)

    @property
    def repeats(self) -> bool:
        """Whether the newest epoch may still repeat what came before it, which is left out."""
        return not self._past.keys() <= {META}

    def end(self, age_ms: int) -> End:
        """Its end, after which nothing has come for `age_ms`."""
        last = {kind: dts for kind, dts in self.last_dts.items() if kind != META}
        return End(self.epochs[-1].number if self.epochs else 0, last, self.cts, age_ms)

    def holds(self, position: Position) -> bool:
        """Whether a reader at this position of any node's log of the stream can go on here, missing nothing."""
        offset = position.offset
        known = any((epoch.number, epoch.leader) == position[:2] for epoch in self.epochs)
        if not known or not self.tail <= offset <= self.head:
            return False
        at = bisect_left(self._offsets, offset)
        if at == len(self._offsets) or self._offsets[at] == offset:
            return True
        # Before the first frame of a later epoch nothing is missing to the reader; where a relay skipped, something is.
        return self._offsets[at] % (1 << EPOCH_SHIFT) == 0

    def begin(self, number: int, leader: str) -> None:
        """Continue the log with an epoch above all before it; whoever publishes it sends headers of his own."""
        last = self.epochs[-1].number if self.epochs else 0
        if number <= last:
            raise ValueError(f"epoch {number} after epoch {last}")
        epoch = Epoch(number, leader, self.position)
        self.head = number << EPOCH_SHIFT
        if not self._frames:
            self.tail = self.head
        self._past = self._newest()
        self.epochs = [*(held for held in self.epochs if held.number >= self.tail >> EPOCH_SHIFT), epoch]
        self.kinds.clear()
        self._in_force = {}
        self._headers = ()

    def append(self, frame: Frame) -> None:
        """Add a frame at or beyond the head. Raises `MediaError` if it is a header that nobody can read.

        An epoch may begin with what came at the end of the one before, if a standby took over who knew less of that
        than this node: it is left out.
        """
        offset, kind, dts, cts, keyframe, config, payload = frame  # which is several times as fast as by their names
        if offset < self.head:
            raise ValueError(f"offset {offset} below the head {self.head}")
        if config:
            self._enforce(frame)
        elif self._past and self._repeats(frame):
            self.head = offset + 1
            return
        self._offsets.append(offset)
        self._frames.append(frame)
        self.head = offset + 1
        size, budget = len(payload) + OVERHEAD, self._budget
        self.size += size
        budget.used += size
        budget.taken += size - OVERHEAD
        if not config and self._can_start(kind, dts, keyframe):
            self._entries.append(Entry(offset, self._headers))
            self._forget_old(dts)
        self.last_dts[kind] = dts
        if cts > self.cts:
            self.cts = cts
        self.kinds.add(kind)
        if self.size > self._max_bytes:
            self._shrink(self._max_bytes - self._max_bytes // SLACK)
        if budget.used > budget.limit:
            budget.reclaim()
        self.on_append()

    def read(self, offset: int, limit: int) -> Span:
        """The frames from `offset` on, until their payloads reach `limit` bytes; at least one, if there is one.

        A reader that lost its place while there is no entry stays where it is, with nothing to read.
        """
        start, headers = offset, NO_FRAMES
        if offset < self.tail:
            if not self._entries:
                return Span(offset, NO_FRAMES, NO_FRAMES, offset)
            start, headers = self._entries[-1]
        first = last = bisect_left(self._offsets, start)
        frames = self._frames
        while last < len(frames) and limit > 0:
            limit -= len(frames[last].payload)
            last += 1
        read = frames[first:last]
        return Span(start, headers, read, read[-1].offset + 1 if read else max(start, self.head))

    def give(self) -> bool:
        """Give up an eighth at least, for the budget; False if there is nothing to give."""
        before = self.size
        self._shrink(max(0, before - before // SLACK - 1))
        return self.size < before

    def close(self) -> None:
        """Count no more towards the budget; what is held can still be read."""
        self._budget.leave(self)
        self._budget = Budget(sys.maxsize)

    def _newest(self) -> dict[int, dict[int, bytes]]:
        """Payloads by kind and dts, the newest first."""
        payloads: dict[int, dict[int, bytes]] = {}
        since = max(self.last_dts.values(), default=0) - REPEAT_MS
        for frame in takewhile(lambda frame: frame.dts >= since, reversed(self._frames)):
            if not frame.config:
                payloads.setdefault(frame.kind, {})[frame.dts] = frame.payload
        return payloads

    def _repeats(self, frame: Frame) -> bool:
        """Whether it came already, in the epoch before, or belongs before all that this log has of that.

        After the first of a kind that is new, none of it did.
        """
        for kind, payloads in list(self._past.items()):
            if frame.dts > next(iter(payloads)) + (0 if kind == frame.kind else REPEAT_MS):
                del self._past[kind]
        past = self._past.get(frame.kind)
        return past is not None and (past.get(frame.dts) == frame.payload or frame.dts < next(reversed(past)))

    def _enforce(self, header: Frame) -> None:
        slot = codec.look(header.kind, header.payload).slot(header.kind)
        in_force = {known: old for known, old in self._in_force.items() if known != slot} | {slot: header}
        size = sum(len(held.payload) for held in in_force.values())
        if size > MAX_HEADERS:
            raise MediaError(f"headers of {size} bytes in force, expected at most {MAX_HEADERS}")
        self._in_force, self._headers = in_force, tuple(in_force.values())

    def _can_start(self, kind: int, dts: int, keyframe: bool) -> bool:
        """Whether it is an entry: a keyframe, or any sound while the epoch has no video, or none any more."""
        if kind != AUDIO:
            return keyframe
        return VIDEO not in self.kinds or dts - self.last_dts[VIDEO] > VIDEO_GONE_MS

    def _forget_old(self, now: int) -> None:
        """Let go of the GOPs that ended longer than the window before `now`."""
        entries, offsets, frames = self._entries, self._offsets, self._frames
        oldest = now - self._window_ms
        while len(entries) > 1 and frames[bisect_left(offsets, entries[1].offset)].dts < oldest:
            entries.popleft()
        count = bisect_left(offsets, entries[0].offset)
        if count and frames[count - 1].dts < oldest:
            self._drop(count)

    def _shrink(self, target: int) -> None:
        """Drop whole GOPs, and then the front of the last, until no more than `target` bytes are held."""
        while self.size > target and len(self._entries) > 1:
            self._entries.popleft()
            self._drop(bisect_left(self._offsets, self._entries[0].offset))
        if self.size <= target:
            return
        count, size = 0, self.size
        while size > target:
            size -= len(self._frames[count].payload) + OVERHEAD
            count += 1
        self._drop(count)
        while self._entries and self._entries[0].offset < self.tail:
            self._entries.popleft()

    def _drop(self, count: int) -> None:
        size = sum(len(frame.payload) + OVERHEAD for frame in self._frames[:count])
        self.tail = self._offsets[count - 1] + 1
        del self._frames[:count], self._offsets[:count]
        self.size -= size
        self._budget.used -= size
