"""Feed: one stream on its way to other nodes, read once for all links that stand at the same offset."""

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mesh.media.frame import EPOCH_SHIFT, Entry, Frame, Kind, Position, Readable
from mesh.media.wire import encode
from mesh.relay.message import Run, describe

MAX_FRAMES = 1024
"""Frames in one message, however small they are."""
SOUND_BYTES = 64 << 10
"""Sound that is sent although the pictures with it are skipped."""
SAMPLE_S = 0.1
"""How often the head is noted, to tell later how long a frame has waited."""


class Epoch(Protocol):
    """One leader's run of a log."""

    @property
    def number(self) -> int:
        """Greater than that of the epoch before."""

    @property
    def leader(self) -> str:
        """Id of the node that numbers its frames."""


class Source(Readable, Protocol):
    """A log that followers can be fed from."""

    @property
    def position(self) -> Position | None:
        """The log end; None before the first epoch."""

    @property
    def epochs(self) -> Sequence[Epoch]:
        """Oldest first."""

    def holds(self, position: Position) -> bool:
        """Whether a reader at this position of any node's log of the stream can go on here, missing nothing."""


class Pack(NamedTuple):
    """A `Run` with its payloads, ready to be sent on any link."""

    start: int
    end: int
    frames: int
    size: int
    """Bytes of payload."""
    short: int
    """The same, without the last frame."""
    parts: list[bytes]


@dataclass(slots=True, eq=False)
class Link:
    """One follower's place in the feed."""

    peer: str
    stream: str
    id: int
    position: Position | None
    """Where it asked to begin."""
    next: int
    """The offset to read next, once it has `started`; before that the one asked for, or 0."""
    credit: int
    since: float
    """When it was opened, or skipped, or came to where it skipped to: no lag from before that is held against it."""
    heard: float
    """When its follower last spoke."""
    priority: int = 0
    started: bool = False
    pictures_at: int = 0
    """Up to this offset it gets no pictures: there it skips to a keyframe."""
    jump: Entry | None = None
    """Where it skips to, until that is sent: a connection may take nothing for a while."""
    due: bool = False
    spent: int = 0
    """Of the credit."""
    bytes: int = 0
    frames: int = 0
    skips: int = 0

    def advance(self, pack: Pack, now: float) -> None:
        """This was sent."""
        skips = pack.start > self.next > 0
        self.skips += skips
        if skips or self.next < self.pictures_at <= pack.end:
            self.since = now
        self.started, self.jump = True, None
        self.next = pack.end
        self.spent += pack.size
        self.bytes += pack.size
        self.frames += pack.frames


class Feed:
    """A log, its links, and what these have in common."""

    def __init__(self, log: Source, lag_s: float, now: float) -> None:
        """A link that is more than `lag_s` behind skips."""
        self.log = log
        self.links: dict[str, Link] = {}
        """By follower."""
        self._lag_s = lag_s
        self._heads: deque[tuple[float, int]] = deque([(now, log.head)])
        self._last: tuple[int, tuple[Frame, ...], Pack] | None = None

    def note(self, now: float) -> None:
        """Remember how far the log is."""
        if now - self._heads[-1][0] >= SAMPLE_S:
            self._heads.append((now, self.log.head))
            while self._heads[1][0] < now - self._lag_s:
                self._heads.popleft()

    def lag_s(self, link: Link, now: float) -> float:
        """How long the next frame of a link has been waiting, to within `SAMPLE_S`."""
        since = now
        for time, head in reversed(self._heads):
            if head <= link.next:
                break
            since = time
        return now - max(since, link.since)

    def place(self, link: Link, now: float) -> Entry | None:
        """Where a link reads next; None while there is nothing for it.

        A link that comes too late skips to the newest keyframe: pictures have a gap, but sound goes on.
        """
        log = self.log
        if link.jump and link.jump.offset >= log.tail:
            return link.jump
        place = Entry(link.next, ()) if link.started else resume(log, link.position)
        if place is None or place.offset >= log.head:
            return None
        lost = link.started and place.offset < log.tail
        late = place.offset > link.pictures_at and self.lag_s(link, now) > self._lag_s
        if log.entry and log.entry.offset > place.offset and (lost or late):
            link.pictures_at = log.entry.offset
            link.jump = self._jump(place.offset, log.entry)
            return link.jump
        return place

    def read(self, place: Entry, limit: int, pictures_at: int = 0) -> Pack | None:
        """The log from `place` on, until its payloads reach `limit` bytes; None if there is nothing.

        There are no pictures before `pictures_at`. The last pack is kept: it is what the next link needs, unless the
        log has grown or that link's limit is smaller.
        """
        if place.offset < pictures_at and (sound := self._sound(place.offset, pictures_at)):
            frames = within(sound, limit)
            return self._pack(place.offset, place.headers, frames, 0 if len(frames) < len(sound) else pictures_at)
        place = place._replace(offset=max(place.offset, pictures_at))
        if self._last:
            head, jumped, pack = self._last
            same = (head, jumped, pack.start) == (self.log.head, place.headers, place.offset)
            if same and pack.short < limit:
                return pack
        limit = max(limit - sum(len(header.payload) for header in place.headers), 1)
        span = self.log.read(place.offset, limit)
        headers, frames = place.headers or span.headers, span.frames[:MAX_FRAMES]
        if not frames:
            return None
        pack = self._pack(span.start, headers, frames)
        self._last = self.log.head, place.headers, pack
        return pack

    def _jump(self, offset: int, entry: Entry) -> Entry:
        """Where a link at `offset` goes on that skips to an entry: at the sound before it, the newest if that is much.

        It is beyond `offset` in any case, so that the follower knows of the skip.
        """
        kept: list[Frame] = []
        room = SOUND_BYTES
        for frame in reversed(self._sound(max(offset, self.log.tail), entry.offset)):
            room -= len(frame.payload)
            if room < 0:
                break
            kept.append(frame)
        start = max(kept[-1].offset if kept else entry.offset, offset + 1)
        before = {frame for frame in (*entry.headers, *kept) if frame.offset < start}
        return Entry(start, tuple(sorted(before)))

    def _sound(self, start: int, end: int) -> list[Frame]:
        """What is sent of this part of the log although its pictures are skipped: sound and headers."""
        frames = self.log.read(start, sys.maxsize).frames
        return [f for f in frames if f.offset < end and (f.kind == Kind.AUDIO or f.config)]

    def _pack(self, start: int, headers: Sequence[Frame], frames: Sequence[Frame], end: int = 0) -> Pack:
        every = [*headers, *frames]
        payloads = [frame.payload for frame in every]
        end = end or frames[-1].offset + 1
        run = Run(start, end, self._leaders(every), len(headers), describe(every))
        size = sum(map(len, payloads))
        return Pack(start, end, len(frames), size, size - len(payloads[-1]), [encode(run), *payloads])

    def _leaders(self, frames: Iterable[Frame]) -> tuple[tuple[int, str], ...]:
        numbers = {frame.offset >> EPOCH_SHIFT for frame in frames}
        return tuple((epoch.number, epoch.leader) for epoch in self.log.epochs if epoch.number in numbers)


def within(frames: Sequence[Frame], limit: int) -> Sequence[Frame]:
    """The first of these, until their payloads reach `limit` bytes; at least one."""
    for count, frame in enumerate(frames[:MAX_FRAMES], 1):
        limit -= len(frame.payload)
        if limit <= 0:
            return frames[:count]
    return frames[:MAX_FRAMES]


def resume(log: Source, position: Position | None) -> Entry | None:
    """Where a follower at `position` goes on; None if it has to wait for a place.

    If the log does not share the position (another leader numbered that epoch here, or its frames have been dropped),
    that is the newest entry; but never one that the follower could not append, because its own log is further.
    """
    if position and log.holds(position):
        return Entry(position.offset, ())
    entry = log.entry
    if entry is None or position is None:
        return entry
    shared = any((epoch.number, epoch.leader) == position[:2] for epoch in log.epochs)
    newer = entry.offset > position.offset if shared else entry.offset >> EPOCH_SHIFT > position.epoch
    return entry if newer else None
