"""One stream on four nodes, whose leaders crash, hand over and come back: a model check of the log's rules.

Logs, leaders, alignment, relay and the order of claims are the real ones; the model only decides who does what when.
One encoder pushes to two nodes, so that a standby goes on with the next frame; another publisher begins anew wherever
he comes back, unless somebody waits to take over: then he waits behind him.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesh.gossip.member import Lead, LeadState
from mesh.media.frame import Frame, Kind
from mesh.net.claim import goes_before
from mesh.relay.feed import resume
from mesh.relay.landing import contradicts, land
from mesh.stream.alignment import Alignment
from mesh.stream.end import End, farthest
from mesh.stream.leader import Leader
from mesh.stream.log import START, StreamLog
from tests.stream.frames import AAC_HEADER, AVC_HEADER, roomy

NODES = "abcd"
GOP = 4
STEP_MS = 40
nodes = st.sampled_from(NODES)


class Publisher:
    """A connection of an encoder to a node, whose leader writes into the stream's log or, as standby, into its own."""

    def __init__(self, leader: Leader, began: int, clock: int) -> None:
        self.leader = leader
        self.began = began
        """The encoder's frame with which it began."""
        self.clock = clock

    def header(self, now: float) -> None:
        self.leader.write(Kind.VIDEO, self.clock, AVC_HEADER, now)
        self.leader.write(Kind.AUDIO, self.clock, AAC_HEADER, now)

    def send(self, n: int, now: float) -> None:
        """The encoder's nth picture and sound: no payload is like another."""
        time = self.clock + n * STEP_MS
        head = bytes.fromhex("17 01 000000" if n % GOP == 0 else "27 01 000000")
        self.leader.write(Kind.VIDEO, time, head + b"%d" % n, now)
        self.leader.write(Kind.AUDIO, time + 7, b"\xaf\x01%d" % n, now)


class Node:
    """A log, and a player of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: StreamLog = roomy()
        self.whole = True
        """Whether it never had to skip what its suppliers had no more."""
        self.offset = START
        self.played: list[Frame] = []

    def play(self) -> None:
        """Hand the player what there is."""
        span = self.log.read(self.offset, 1 << 30)
        self.offset = span.end
        self.played += [frame for frame in span.frames if not frame.config]


class Succession(RuleBasedStateMachine):
    """A mesh in which every node hears every other that lives."""

    @initialize(clock=st.integers(0, 1 << 20))
    def start(self, clock: int) -> None:
        self.nodes = {name: Node(name) for name in NODES}
        self.frames: dict[tuple[int, str], Frame] = {}
        """Every frame that any log ever held, by offset and leader."""
        self.n = 0
        self.now = 100.0
        self.epoch = 0
        self.leader: tuple[str, Publisher] | None = None
        self.standby: tuple[str, Publisher, Alignment] | None = None
        self.newcomer: tuple[str, Publisher] | None = None
        """Who came while the standby waited, and is not aligned."""
        self.left: tuple[Publisher, int] | None = None
        """Who led last, if his node still lives, and what the encoder had made by then."""
        self.clock = clock

    @rule(count=st.integers(1, 9), first_ahead=st.booleans())
    def encode(self, count: int, first_ahead: bool) -> None:
        """Both outputs of the encoder bring what it made; of what is on its way, one may bring more than the other."""
        for n in range(self.n, self.n + count):
            self.now += STEP_MS / 1000
            outputs = [entry[1] for entry in (self.leader, self.standby, self.newcomer) if entry]
            for output in outputs:
                output.send(n, self.now)
        self.n += count

    @precondition(lambda self: self.leader is None)
    @rule(name=nodes)
    def publish(self, name: str) -> None:
        """A publisher comes, or comes back, wherever: a new epoch goes on after all that is known."""
        if self.standby and goes_before(lead(self.standby[0], LeadState.STANDBY), lead(name, LeadState.CLAIM), False):
            if not self.newcomer and name != self.standby[0]:
                self.newcomer = name, Publisher(Leader(roomy("own"), 1, name), self.n, self.clock)
                self.newcomer[1].header(self.now)
            return
        if self.newcomer:
            return
        self.catch_up(name)
        self.epoch += 1
        publisher = Publisher(Leader(self.nodes[name].log, self.epoch, name, self.end()), self.n, self.clock)
        publisher.header(self.now)
        self.leader = name, publisher
        self.note()

    @precondition(lambda self: self.leader and not self.standby)
    @rule(name=nodes, clock=st.integers(0, 1 << 20))
    def stand_by(self, name: str, clock: int) -> None:
        """The same encoder publishes to a second node; by now the two have been compared for long enough."""
        assert self.leader
        if name in (self.leader[0], self.newcomer[0] if self.newcomer else ""):
            return
        own = roomy("own")
        publisher = Publisher(Leader(own, 1, name), self.n, clock)
        publisher.header(self.now)
        self.encode_gop(publisher)
        self.catch_up(name)
        alignment = Alignment(own, self.nodes[name].log)
        alignment._shift = self.shift(publisher)
        self.standby = name, publisher, alignment

    def encode_gop(self, standby: Publisher) -> None:
        """A publisher begins with a keyframe."""
        assert self.leader
        for n in range(self.n, self.n + GOP):
            self.now += STEP_MS / 1000
            self.leader[1].send(n, self.now)
            standby.send(n, self.now)
        self.n += GOP

    def shift(self, standby: Publisher) -> int:
        """By how much the standby's times differ from the leader's, both having sent the same last."""
        assert self.leader
        return self.leader[1].leader.log.last_dts[Kind.VIDEO] - standby.leader.log.last_dts[Kind.VIDEO]

    @rule(name=nodes, supplier=nodes, count=st.integers(1, 30))
    def fetch(self, name: str, supplier: str, count: int) -> None:
        """A follower takes what a supplier has next for it, or a part of that."""
        leads = self.leader is not None and self.leader[0] == name
        if name == supplier or leads or not self.nodes[supplier].log.epochs:
            return
        mine, theirs = self.nodes[name].log.position, self.nodes[supplier].log.position
        if mine is None or theirs is None or theirs.epoch >= mine.epoch:
            self.take(self.nodes[name], self.nodes[supplier], count)
        self.note()

    def take(self, node: Node, supplier: Node, count: int) -> None:
        follower, source = node.log, supplier.log
        position = follower.position
        place = resume(source, position)
        if place is None:
            return
        node.whole = node.whole and supplier.whole and (position is None or source.holds(position))
        span = source.read(place.offset, 1 << 30)
        frames = [*(place.headers or span.headers), *span.frames[:count]]
        leaders = {epoch.number: epoch.leader for epoch in source.epochs}
        assert not contradicts(follower, leaders)
        land(follower, frames, leaders)

    @precondition(lambda self: self.leader)
    @rule(dies=st.booleans())
    def lose(self, dies: bool) -> None:
        """The leader's publisher goes, or its node dies."""
        assert self.leader
        name, publisher = self.leader
        self.leader, self.left = None, None if dies else (publisher, self.n)
        if dies:
            self.nodes[name] = Node(name)
        self.note()

    @precondition(lambda self: not self.leader and (self.standby or self.newcomer))
    @rule(hands_over=st.booleans())
    def take_over(self, hands_over: bool) -> None:
        """The standby takes over, whatever it has got by then; the newcomer does if there is none."""
        self.epoch += 1
        if self.standby:
            heir, waiting, alignment = self.standby
            log, rest = self.nodes[heir].log, alignment.rest()
            waiting.leader.go_on(log, self.epoch, heir, alignment._shift or 0, rest)
            self.standby, self.leader = None, (heir, waiting)
            if hands_over and self.left and self.left[1] == self.n:
                # It was told to, and learnt of it late: its own publisher had sent more by then.
                self.left[0].send(self.n, self.now)
                waiting.send(self.n, self.now)
                self.n += 1
        else:
            assert self.newcomer
            heir, publisher = self.leader = self.newcomer
            self.catch_up(heir)
            publisher.leader.begin(self.nodes[heir].log, self.epoch, heir, self.end())
            self.newcomer = None
        self.note()

    def catch_up(self, name: str) -> None:
        """Who begins anew, or has been compared, has the end of the log first, from whoever has it."""
        farthest_node = max(self.nodes.values(), key=lambda node: node.log.end(0).reach)
        if self.nodes[name].log.end(0).reach < farthest_node.log.end(0).reach:
            self.take(self.nodes[name], farthest_node, 1 << 30)

    def end(self) -> End:
        """Where the stream ends, as far as anybody knows."""
        return farthest(node.log.end(200) for node in self.nodes.values())

    @precondition(lambda self: self.standby)
    @rule()
    def lose_standby(self) -> None:
        self.standby = None

    @rule(name=nodes)
    def play(self, name: str) -> None:
        self.nodes[name].play()

    def note(self) -> None:
        """Hold every frame of every log against what its offset ever held."""
        for node in self.nodes.values():
            leaders = {epoch.number: epoch.leader for epoch in node.log.epochs}
            for frame in node.log.read(node.log.tail, 1 << 30).frames:
                known = self.frames.setdefault((frame.offset, leaders[frame.epoch]), frame)
                assert known == frame, "an offset holds two frames"

    @invariant()
    def an_epoch_has_one_leader(self) -> None:
        if hasattr(self, "nodes"):
            epochs = {(e.number, e.leader) for node in self.nodes.values() for e in node.log.epochs}
            assert len(epochs) == len({number for number, _ in epochs})

    @invariant()
    def nobody_sees_an_offset_or_a_frame_twice_or_time_go_back(self) -> None:
        for node in getattr(self, "nodes", {}).values():
            assert_grows([frame.offset for frame in node.played])
            for kind in (Kind.AUDIO, Kind.VIDEO):
                assert_grows([frame.dts for frame in node.played if frame.kind == kind])
                numbers = [
                    int(frame.payload.lstrip(b"\x17\x27\xaf\x01\x00")) for frame in node.played if frame.kind == kind
                ]
                assert_grows(numbers)

    @invariant()
    def logs_agree_where_they_overlap(self) -> None:
        """By what was sent: an aligned epoch repeats frames that some nodes had in the one before."""
        logs = [node.log for node in getattr(self, "nodes", {}).values() if node.log.epochs and node.whole]
        for kind in (Kind.AUDIO, Kind.VIDEO):
            shown = [
                [(f.dts, f.payload) for f in log.read(log.tail, 1 << 30).frames if f.kind == kind and not f.config]
                for log in logs
            ]
            for one, other in combinations(shown, 2):
                assert overlap(one, other) == overlap(other, one)


def overlap(one: Sequence[tuple[int, bytes]], other: Sequence[tuple[int, bytes]]) -> Sequence[tuple[int, bytes]]:
    """What one log shows from the first to the last payload that the other has as well."""
    payloads = {payload for _, payload in other}
    common = [place for place, (_, payload) in enumerate(one) if payload in payloads]
    return one[common[0] : common[-1] + 1] if common else []


def lead(node: str, state: LeadState) -> Lead:
    return Lead(node, "live/x", 0, state)


def assert_grows(values: Sequence[int]) -> None:
    assert all(before < after for before, after in pairwise(values)), values


TestSuccession = Succession.TestCase
TestSuccession.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)


def test_the_end_that_one_node_lacks_is_not_lost_when_the_publisher_returns_to_it() -> None:
    model = Succession()
    model.start(clock=0)
    model.publish(name="a")
    model.encode(count=8, first_ahead=False)
    model.fetch(name="d", supplier="a", count=30)
    model.fetch(name="b", supplier="a", count=3)
    model.lose(dies=True)
    model.publish(name="b")
    model.encode(count=8, first_ahead=False)
    for name in "acd":
        model.fetch(name=name, supplier="b", count=30)
    model.logs_agree_where_they_overlap()


def test_who_came_later_than_what_a_new_epoch_repeats_does_not_go_back_to_it() -> None:
    model = Succession()
    model.start(clock=0)
    model.publish(name="a")
    model.stand_by(name="d", clock=0)
    model.encode(count=13, first_ahead=False)
    model.lose(dies=False)
    model.take_over(hands_over=False)
    model.fetch(name="c", supplier="a", count=7)
    model.fetch(name="c", supplier="d", count=40)
    model.play(name="c")
    model.nobody_sees_an_offset_or_a_frame_twice_or_time_go_back()
    model.logs_agree_where_they_overlap()
