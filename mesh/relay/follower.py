"""Follower: fetches one stream from a supplier into this node's log.

Whatever goes wrong has one cure: `Open` again, under a new link id, at the log's next position. The link before it is
kept until the new one delivers, so nothing that is still on its way is lost, and frames that come twice are known by
their offsets. What the supplier skipped on purpose is counted, what got lost on the way is fetched again.

There is one question at hand: `Open` until the link is open, then, when it is silent, `AskHead`.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from math import inf
from random import Random
from typing import Protocol

from mesh.errors import ProtocolError
from mesh.media.frame import EPOCH_SHIFT, Frame, Position
from mesh.relay.credit import Window
from mesh.relay.message import AskHead, Close, Credit, Data, Gone, Head, LinkMessage, Moved, Open, Opened, Reason, Run
from mesh.relay.silence import ASK_S, MAX_PAUSE_S, Silence

CREDIT_S = 0.25
"""How often credit is repeated."""
MAX_RTT_S = 1.0


class State(StrEnum):
    """How a fetch stands."""

    OPENING = "opening"
    OPEN = "open"
    """Reported again when the path has changed."""
    MOVED = "moved"
    """The supplier has named another, which is being opened."""
    LOST = "lost"
    """The supplier does not answer, or not sensibly; it is tried again and again, but another may be better."""
    GONE = "gone"
    """The supplier does not serve the stream, and is asked no more."""
    CLOSED = "closed"


class Log(Protocol):
    """A log that frames are fetched into."""

    @property
    def head(self) -> int:
        """The log end."""

    @property
    def position(self) -> Position | None:
        """The same, and who leads; None before the first epoch."""

    def begin(self, number: int, leader: str) -> None:
        """Continue with a new epoch."""

    def append(self, frame: Frame) -> None:
        """Add a frame at or beyond the head."""


class Link:
    """One attempt to be fed."""

    __slots__ = ("id", "next", "opened", "since", "supplier", "window")

    def __init__(self, id: int, supplier: str, position: Position | None, now: float) -> None:
        self.id = id
        self.supplier = supplier
        self.next = position.offset if position else 0
        """What `Data.after` has to be."""
        self.opened = False
        self.since = now
        self.window = Window(now)


class Follower:
    """One stream that this node fetches."""

    def __init__(self, me: str, stream: str, log: Log, rtt_s: Callable[[str], float], random: Random) -> None:
        """`rtt_s` gives the round trip to a supplier; link ids come from `random`, and must not be guessable."""
        self.stream = stream
        self.supplier = ""
        self.path: tuple[str, ...] = ()
        """The nodes from the leader down to the supplier."""
        self.state = State.OPENING
        self.reason = ""
        """Why it is lost or gone."""
        self.bytes = 0
        self.frames = 0
        self.skips = 0
        """Jumps that the supplier made on purpose."""
        self.losses = 0
        """Messages that did not follow the one before."""
        self.lag_ms = 0
        """How long the newest message had waited at the supplier."""
        self.dropped: Counter[str] = Counter()
        """Messages that were not heeded, by reason."""
        self._me = me
        self._log = log
        self._rtt_s = rtt_s
        self._random = random
        self._links: dict[int, Link] = {}
        """The one in use, and the one that is to take its place."""
        self._link: Link | None = None
        """The newest."""
        self._request: LinkMessage | None = None
        """What opens it."""
        self._silence = Silence()
        self._credit_at = inf
        self._outbox: list[tuple[str, LinkMessage]] = []
        self._events: deque[State] = deque()

    def open(self, supplier: str, now: float) -> None:
        """Fetch from this supplier; the one before serves until it does."""
        self.supplier = supplier
        self.state = State.OPENING
        self._silence.begin()
        self._open(now)

    def close(self) -> None:
        """Fetch no more. A second time is no error."""
        if self.state is State.CLOSED:
            return
        for link in list(self._links.values()):
            self._hang_up(link)
        self._link = None
        self._silence.ask_at = self._credit_at = inf
        self._events.clear()
        self._enter(State.CLOSED)

    def messages_to_send(self) -> list[tuple[str, LinkMessage]]:
        """The control messages that have come up, and for whom."""
        messages, self._outbox = self._outbox, []
        return messages

    def next_event(self) -> State | None:
        """The next change of state."""
        return self._events.popleft() if self._events else None

    def get_timer(self) -> float:
        """When `handle_timer` is to be called."""
        return min(self._silence.ask_at, self._credit_at)

    def handle_timer(self, now: float) -> None:
        """Ask, and grant credit, when it is time."""
        if now >= self._silence.ask_at:
            self._ask(now)
        if now >= self._credit_at:
            self._credit_at = now + CREDIT_S if self._links else inf
            for link in self._links.values():
                # A supplier that serves the new link has forgotten the old one.
                if link.opened and (link is self._link or link.supplier != self.supplier):
                    self._grant(link)

    def receive(self, message: LinkMessage, sender: str, now: float) -> None:
        """A control message of a supplier."""
        link = self._links.get(message.link)
        if link is None or link.supplier != sender:
            self.dropped["unknown link"] += 1
        elif isinstance(message, Opened):
            self._opened(message, link, now)
        elif isinstance(message, Head):
            self._compare(message, link, now)
        elif isinstance(message, Moved):
            self._move(message, link, now)
        elif isinstance(message, Gone):
            self._gone(message, link, now)

    def receive_data(self, data: Data, run: Run, frames: Sequence[Frame], now: float) -> None:
        """A message of media."""
        link = self._links.get(data.link)
        position = self._log.position
        leaders = dict(run.leaders)
        if link is None:
            self.dropped["unknown link"] += 1
        elif data.after != link.next:
            self.losses += 1
            self._reopen(link, now)
        elif position and leaders.get(position.epoch, position.leader) != position.leader:
            self._refuse(link, "it has another leader in the same epoch", now)
        else:
            if run.start > data.after > 0:
                self.skips += 1
            link.next = run.end
            self._append(frames, leaders)
            self.lag_ms = data.lag_ms
            self._took(link, sum(len(frame.payload) for frame in frames), now)

    def _opened(self, message: Opened, link: Link, now: float) -> None:
        if message.endless(self._me):
            self._refuse(link, "its path leads through this node, or has no end", now)
            return
        link.opened = True
        if link is self._link:
            rerouted = self.state is State.OPEN and self.path != message.path
            self.path = message.path
            self._answered(now)
            if rerouted:
                self._enter(State.OPEN)

    def _compare(self, message: Head, link: Link, now: float) -> None:
        """A supplier that is ahead of a silent link has lost it."""
        if link is self._link and link.opened:
            self._answered(now, in_vain=True)
            if message.head and message.head[2] > self._log.head:
                self._open(now)

    def _move(self, message: Moved, link: Link, now: float) -> None:
        if link is self._link and message.node != self._me:
            self.open(message.node, now)
            self._enter(State.MOVED)

    def _gone(self, message: Gone, link: Link, now: float) -> None:
        if message.reason == Reason.NO_LINK:
            self._silence.begin()
            self._reopen(link, now)
            return
        del self._links[link.id]
        if link is self._link:
            self._link = None
            self._silence.ask_at = inf
            self.path = ()
            self._enter(State.GONE, message.reason)

    def _append(self, frames: Sequence[Frame], leaders: dict[int, str]) -> None:
        log = self._log
        for frame in frames:
            if frame.offset < log.head:
                continue
            epoch = frame.offset >> EPOCH_SHIFT
            if log.position is None or log.position.epoch < epoch:
                log.begin(epoch, leaders[epoch])
            try:
                log.append(frame)
            except ProtocolError:
                self.dropped["malformed frame"] += 1
            self.frames += 1

    def _took(self, link: Link, size: int, now: float) -> None:
        """Media arrived on a link: any older one has done its duty."""
        self.bytes += size
        link.window.take(size, self._rtt(link.supplier), now)
        if link.window.low:
            self._grant(link)
        self._silence.heard(now)
        if link is self._link:
            for old in [old for old in self._links.values() if old is not link]:
                self._hang_up(old)
            if link.opened:
                self._answered(now)

    def _open(self, now: float) -> None:
        """A new link, at the log's next position; of those before it only the one that delivers is kept."""
        if self._link and not self._link.window.received:
            self._hang_up(self._link)
        position = self._log.position
        self._link = Link(self._random.getrandbits(64), self.supplier, position, now)
        self._links[self._link.id] = self._link
        self._request = Open(self.stream, self._link.id, position, self._link.window.total)
        self._credit_at = min(self._credit_at, now + CREDIT_S)
        self._ask(now)

    def _reopen(self, link: Link, now: float) -> None:
        """A link is lost: open another, but not at the rate at which a mad supplier loses them."""
        del self._links[link.id]
        if link is self._link:
            self._link = None
            self._silence.ask_at = max(now, link.since + ASK_S)
            if self._silence.ask_at <= now:
                self._open(now)

    def _refuse(self, link: Link, reason: str, now: float) -> None:
        """This supplier will not do as it is; another may, or the same one later."""
        self._hang_up(link)
        if link is self._link:
            self._link = None
            self._silence.ask_at = now + MAX_PAUSE_S
            self._enter(State.LOST, reason)

    def _hang_up(self, link: Link) -> None:
        del self._links[link.id]
        self._outbox.append((link.supplier, Close(self.stream, link.id)))

    def _ask(self, now: float) -> None:
        """Put the question at hand; it is repeated until `_answered`."""
        link = self._link
        if link is None or self._request is None:
            self._open(now)
            return
        lost = self._silence.asked(self._rtt(link.supplier), now)
        self._outbox.append((link.supplier, AskHead(self.stream, link.id) if link.opened else self._request))
        if lost and self.state is not State.LOST:
            self._enter(State.LOST, "it does not answer")

    def _answered(self, now: float, in_vain: bool = False) -> None:
        """The supplier lives."""
        self._silence.answered(now, in_vain)
        if self.state is not State.OPEN:
            self._enter(State.OPEN)

    def _grant(self, link: Link) -> None:
        self._outbox.append((link.supplier, Credit(self.stream, link.id, link.window.grant())))

    def _enter(self, state: State, reason: str = "") -> None:
        self.state = state
        self.reason = reason
        self._events.append(state)

    def _rtt(self, supplier: str) -> float:
        return min(self._rtt_s(supplier), MAX_RTT_S)
