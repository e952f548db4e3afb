"""Supplier: feeds the followers of this node's logs.

A follower has one link per stream: a position in the log, and the credit it granted. Nothing is queued here: out of
credit, or over a connection that takes nothing, a link waits, and the log is its buffer. One that fell off the tail, or
more than `lag_s` behind, goes on at the newest entry, and that skip is counted.

The driver asks for one delivery at a time, and says of each whether it was `sent` or `blocked`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import NamedTuple

from mesh.media.frame import Position
from mesh.media.wire import encode
from mesh.relay.feed import Feed, Link, Pack, Source
from mesh.relay.message import AskHead, Close, Credit, Gone, Head, LinkMessage, Media, Moved, Open, Opened, Reason
from mesh.relay.turns import Turns

MESSAGE_BYTES = 4 << 10, 64 << 10
"""Payload of one message, or one frame: a quarter of the credit within these. Long ones make thin links seem silent."""
SILENT_S = 3.0
"""A link without a word from its follower for so long (credit comes four times a second) is lost."""
SWEEP_S = 1.0
MAX_LINKS = 1024
"""Links of one follower."""
MAX_OPENS = 2048
"""`Open`s heeded of one follower between two sweeps."""


class Delivery(NamedTuple):
    """One message of media."""

    link: Link
    pack: Pack
    parts: list[bytes]


class Supplier:
    """All links by which this node feeds others."""

    def __init__(
        self,
        me: str,
        find: Callable[[str], Source | None],
        path: Callable[[str], tuple[str, ...]],
        feeder: Callable[[str, str], str],
        priority: Callable[[str], int],
        lag_s: float,
    ) -> None:
        """`find` gives this node's log of a stream; `path` the nodes that it has come through, this one the last.

        `feeder` says who is to feed a new follower of a stream: this node, another or, if it is "", nobody. On a way
        that is too thin, streams of higher `priority` go first.
        """
        self.dropped: Counter[str] = Counter()
        """Messages that were not heeded and links that were lost, by reason."""
        self.total: Counter[str] = Counter()
        """Bytes, frames and skips of all links so far."""
        self._me = me
        self._find = find
        self._path = path
        self._feeder = feeder
        self._priority = priority
        self._lag_s = lag_s
        self._feeds: dict[str, Feed] = {}
        self._turns = Turns()
        self._links: Counter[str] = Counter()
        """How many, by follower."""
        self._opens: Counter[str] = Counter()
        self._sweep_at = inf
        self._outbox: list[tuple[str, LinkMessage]] = []

    def __iter__(self) -> Iterator[Link]:
        return iter([link for feed in self._feeds.values() for link in feed.links.values()])

    def serves(self, peer: str) -> bool:
        """Whether this follower has a link."""
        return self._links[peer] > 0

    def feeds(self, stream: str) -> int:
        """How many links a stream has."""
        feed = self._feeds.get(stream)
        return len(feed.links) if feed else 0

    def lags(self, now: float) -> list[tuple[Link, int]]:
        """Each link, and for how many ms its next frame has been waiting."""
        return [(link, int(1000 * self._feeds[link.stream].lag_s(link, now))) for link in self]

    def receive(self, message: LinkMessage, sender: str, now: float) -> None:
        """A control message of a follower."""
        if isinstance(message, Open):
            self._open(message, sender, now)
        elif isinstance(message, AskHead):
            log, link = self._find(message.stream), self._link(message, sender)
            head = Head(message.stream, message.link, log.position if log else None, link.spent if link else None)
            self._send(sender, head)
        elif link := self._link(message, sender):
            link.heard = now
            if isinstance(message, Credit):
                link.credit = message.total
                self._turns.add(link)
            elif isinstance(message, Close):
                self._drop(link)
        elif isinstance(message, Credit):
            self.dropped["unknown link"] += 1
            self._send(sender, Gone(message.stream, message.link, Reason.NO_LINK))

    def advanced(self, stream: str, now: float) -> None:
        """A log has new frames, or is no more."""
        feed = self._feeds.get(stream)
        if feed is None:
            return
        log = self._find(stream)
        if log is not feed.log:
            self._end(feed.links.values(), Reason.NO_LINK if log else Reason.NO_STREAM)
            return
        feed.note(now)
        for link in feed.links.values():
            self._turns.add(link)

    def rerouted(self, stream: str) -> None:
        """This node gets the stream by another path than before."""
        if feed := self._feeds.get(stream):
            for link in feed.links.values():
                self._confirm(link)

    def move(self, stream: str, node: str) -> None:
        """Ask the followers of a stream to go to another node; they are fed until they have."""
        if feed := self._feeds.get(stream):
            for link in feed.links.values():
                self._send(link.peer, Moved(stream, link.id, node))

    def close(self) -> None:
        """End all links."""
        self._end(self, Reason.LEAVING)

    def messages_to_send(self) -> list[tuple[str, LinkMessage]]:
        """The control messages that have come up, and for whom."""
        messages, self._outbox = self._outbox, []
        return messages

    def next_delivery(self, now: float) -> Delivery | None:
        """The next message of media; None if nobody needs one, or may have one."""
        while link := self._turns.next(now):
            feed = self._feeds.get(link.stream)
            if feed is None or feed.links.get(link.peer) is not link:
                continue
            lag_s = feed.lag_s(link, now)
            left = link.credit - link.spent
            place = feed.place(link, now) if left > 0 else None
            # Who waits for a place to start is not late because the way is too thin.
            self._turns.lags(link, lag_s if place or left <= 0 else 0.0)
            pack = feed.read(place, portion(left), link.pictures_at) if place else None
            if pack:
                media = Media(link.stream, link.id, link.next, int(1000 * lag_s))
                return Delivery(link, pack, [encode(media), *pack.parts])
        return None

    def sent(self, delivery: Delivery, now: float) -> None:
        """It was taken: the link moves on, and waits for its next turn."""
        link, pack, _ = delivery
        skips = link.skips
        link.advance(pack, now)
        self.total.update(bytes=pack.size, frames=pack.frames, skips=link.skips - skips)
        self._turns.sent(link)

    def blocked(self, delivery: Delivery, now: float) -> None:
        """It was not: the follower's connection takes nothing now."""
        if self._turns.blocked(delivery.link, now):
            self.dropped["connection lost"] += 1
            self._end([link for link in self if link.peer == delivery.link.peer], Reason.NO_LINK)

    def get_timer(self) -> float:
        """When `handle_timer` is to be called."""
        return min(self._turns.retry_at, self._sweep_at)

    def handle_timer(self, now: float) -> None:
        """Try blocked connections again, and forget who is silent."""
        if now >= self._turns.retry_at:
            self._turns.retry()
        if now >= self._sweep_at:
            self._sweep(now)

    def _open(self, message: Open, sender: str, now: float) -> None:
        self._opens[sender] += 1
        self._sweep_at = min(self._sweep_at, now + SWEEP_S)
        log = self._find(message.stream)
        old = self._feeds[message.stream].links.get(sender) if message.stream in self._feeds else None
        if self._opens[sender] > MAX_OPENS:
            self.dropped["too many opens"] += 1
        elif old and old.id == message.link:
            old.heard = now
            self._confirm(old)
        elif log is None:
            self._send(sender, Gone(message.stream, message.link, Reason.NO_STREAM))
        elif old or self._takes(message, sender):
            position = Position(*message.position) if message.position else None
            asked = position.offset if position else 0
            priority = self._priority(message.stream)
            link = Link(sender, message.stream, message.link, position, asked, message.credit, now, now, priority)
            self._admit(link, old, log, now)

    def _takes(self, message: Open, sender: str) -> bool:
        """Whether there is room for a new follower; if not, it is told where there is."""
        feeder = self._feeder(message.stream, sender) if self._links[sender] < MAX_LINKS else ""
        if feeder == self._me:
            return True
        stream, link = message.stream, message.link
        self._send(sender, Moved(stream, link, feeder) if feeder else Gone(stream, link, Reason.TOO_MANY))
        return False

    def _admit(self, link: Link, old: Link | None, log: Source, now: float) -> None:
        """A follower that opens again has lost its old link; what that counted goes on."""
        if old:
            link.bytes, link.frames, link.skips = old.bytes, old.frames, old.skips
            link.pictures_at = old.pictures_at
            self._drop(old)
        feed = self._feeds.setdefault(link.stream, Feed(log, self._lag_s, now))
        feed.links[link.peer] = link
        self._links[link.peer] += 1
        self._confirm(link)
        self._turns.add(link)

    def _confirm(self, link: Link) -> None:
        head = self._feeds[link.stream].log.position
        self._send(link.peer, Opened(link.stream, link.id, head, self._path(link.stream)))

    def _link(self, message: LinkMessage, sender: str) -> Link | None:
        feed = self._feeds.get(message.stream)
        link = feed.links.get(sender) if feed else None
        return link if link and link.id == message.link else None

    def _sweep(self, now: float) -> None:
        self._opens.clear()
        for link in self:
            if now - link.heard > SILENT_S:
                self.dropped["silent follower"] += 1
                self._drop(link)
        for stream in list(self._feeds):
            self.advanced(stream, now)
        self._sweep_at = now + SWEEP_S if self._feeds else inf

    def _end(self, links: Iterable[Link], reason: Reason) -> None:
        for link in list(links):
            self._send(link.peer, Gone(link.stream, link.id, reason))
            self._drop(link)

    def _drop(self, link: Link) -> None:
        feed = self._feeds[link.stream]
        del feed.links[link.peer]
        if not feed.links:
            del self._feeds[link.stream]
        self._links[link.peer] -= 1
        self._turns.drop(link, last=not self._links[link.peer])
        if not self._links[link.peer]:
            del self._links[link.peer]

    def _send(self, peer: str, message: LinkMessage) -> None:
        self._outbox.append((peer, message))


def portion(left: int) -> int:
    """How much of the credit that is left one message may take."""
    least, most = MESSAGE_BYTES
    return min(left, most, max(left // 4, least))
