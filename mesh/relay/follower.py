"""Follower: fetches one stream from a supplier into this node's log.

Whatever goes wrong has one cure: `Open` again, under a new link id, at the log's next position. The link before it is
kept until the new one delivers, so nothing that is still on its way is lost, and frames that come twice are known by
their offsets. What the supplier skipped on purpose is counted, what got lost on the way is fetched again.

There is one question at hand: `Open` until the link is open, then, when it is silent, `AskHead`. If that is asked in
vain and another node is ahead, that node is the supplier.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from math import inf
from random import Random

from mesh.media.frame import Frame
from mesh.relay.credit import width
from mesh.relay.landing import Log, Sight, contradicts, land
from mesh.relay.link import Link
from mesh.relay.message import Gone, Head, LinkMessage, Media, Moved, Opened, Reason, Run
from mesh.relay.pace import Pace
from mesh.relay.search import Search
from mesh.relay.silence import ASK_S, MAX_ASK_S, Silence
from mesh.relay.state import State

CREDIT_S = 0.25
"""How often credit is repeated."""
MAX_RTT_S = 1.0
AGAIN_S = 1.0
"""How long a new link may take to bring something: over a thin way, more of them bring more twice."""
MAX_BARREN = 3
"""Links in a row on which something was sent and nothing arrived, after which the supplier counts as lost."""


class Follower:
    """One stream that this node fetches."""

    def __init__(
        self,
        me: str,
        stream: str,
        log: Log,
        others: Callable[[], Sequence[str]],
        rtt_s: Callable[[str], float],
        random: Random,
    ) -> None:
        """`others` have the stream too, best first; `rtt_s` is the round trip to one; `random` draws link ids."""
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
        self._rtt: Callable[[str], float] = lambda supplier: min(rtt_s(supplier), MAX_RTT_S)
        self._random = random
        self._links: dict[int, Link] = {}
        """The one in use, and the one that is to take its place."""
        self._link: Link | None = None
        """The newest."""
        self._silence = Silence()
        self._search = Search(stream, others, random)
        self._sight = Sight(log)
        self._barren = 0
        """Links since the last media on which something was sent."""
        self._pace = Pace()
        self._credit_at = inf
        self._outbox: list[tuple[str, LinkMessage]] = []
        self._events: deque[State] = deque()

    def open(self, supplier: str, now: float) -> None:
        """Fetch from this supplier; the one before serves until it does."""
        self.supplier = supplier
        self.state = State.OPENING
        self._silence = Silence()
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

    def feeder(self, link: int) -> str | None:
        """Who feeds a link; None if there is no such link."""
        return self._links[link].supplier if link in self._links else None

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
        """A control message of a supplier, or of another whose head was asked for."""
        if isinstance(message, Head) and self._search.answered(message, sender):
            self._replace_supplier(now)
            return
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

    def receive_media(self, media: Media, run: Run, frames: Sequence[Frame], now: float) -> None:
        """A message of media."""
        link = self._links.get(media.link)
        leaders = dict(run.leaders)
        if link is None:
            self.dropped["unknown link"] += 1
        elif media.after != link.next:
            self.losses += 1
            self._reopen(link, now)
        elif contradicts(self._log, leaders):
            self._refuse(link, "it has another leader in the same epoch", now)
        else:
            skipped = run.start > media.after > 0
            self.skips += skipped
            link.next = run.end
            landed = land(self._log, self._sight.see(frames, skipped), leaders)
            self.frames += landed.taken
            self.dropped["malformed header"] += landed.malformed
            self.lag_ms = media.lag_ms
            self._took(link, frames, now)

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
        """A supplier that is ahead has lost the link, or what it sent; unless that is still on its way."""
        if link is not self._link or not link.opened:
            return
        ahead = message.head is not None and message.head[2] > self._log.head
        if not ahead:
            self._silence.idle()
        self._answered(now)
        spent, arrived = message.spent, link.window.received
        if ahead and (spent is None or self._pace.overdue(spent - arrived, link.since, now)):
            self._barren += spent is not None
            if self._barren < MAX_BARREN:
                self._open(now)
            else:
                self._refuse(link, "what it sends does not arrive", now)
        elif not ahead:
            self._replace_supplier(now)

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
            self._silence = Silence()
            self._silence.ask_at = now if link.opened else now + ASK_S
            self.path = ()
            self._enter(State.GONE, message.reason)

    def _took(self, link: Link, frames: Sequence[Frame], now: float) -> None:
        """Media arrived on a link: any older one has done its duty."""
        size = self._pace.heard(frames, now)
        self.bytes += size
        self._silence.broken()
        self._search.end()
        self._barren = 0
        link.window.received += size
        if link.window.low:
            self._grant(link)
        if link is self._link:
            for old in [old for old in self._links.values() if old is not link]:
                self._hang_up(old)
            if link.opened:
                self._answered(now)

    def _open(self, now: float) -> None:
        """A new link, at the log's next position; of those before it only the one that delivers is kept."""
        if self._link and not self._link.window.received:
            self._hang_up(self._link)
        room = width(self._rtt(self.supplier), self._pace.peak)
        self._link = Link(self.stream, self._random.getrandbits(64), self.supplier, self._log.position, room, now)
        self._links[self._link.id] = self._link
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
            self._silence.ask_at = now + MAX_ASK_S
            self._enter(State.LOST, reason)

    def _hang_up(self, link: Link) -> None:
        del self._links[link.id]
        self._outbox.append((link.supplier, link.close()))

    def _ask(self, now: float) -> None:
        """Put the question at hand, to others too when there is no media; it is repeated until `_answered`."""
        if self.state is not State.GONE and self._link is None:
            self._open(now)
            return
        if self._replace_supplier(now):
            return
        link, in_vain = self._link, self._silence.in_vain(now)
        lost = self._silence.asked(self._rtt(self.supplier), now)
        if link:
            self._outbox.append((link.supplier, link.question()))
            if lost and self.state is not State.LOST:
                self._enter(State.LOST, "it does not answer")
        if link is None or link.opened or in_vain:
            self._outbox += self._search.questions(besides=self.supplier)

    def _replace_supplier(self, now: float) -> bool:
        """Go on from a node that is ahead, if there is one and the supplier has had its chance."""
        young = self._link is not None and now < self._link.since + AGAIN_S
        if self.state not in (State.LOST, State.GONE) and (young or not self._silence.in_vain(now)):
            return False
        better = self._search.ahead_of(self._log.head)
        if better:
            self.open(better, now)
        return better is not None

    def _answered(self, now: float) -> None:
        """The supplier lives."""
        self._silence.answered(self._pace.interval_s, now)
        if self.state is not State.OPEN:
            self._enter(State.OPEN)

    def _grant(self, link: Link) -> None:
        self._outbox.append((link.supplier, link.credit(self._rtt(link.supplier), self._pace.expected)))

    def _enter(self, state: State, reason: str = "") -> None:
        self.state = state
        self.reason = reason
        self._events.append(state)
