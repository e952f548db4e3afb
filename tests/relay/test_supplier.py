from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.media.frame import Frame
from mesh.relay.message import AskHead, Close, Credit, Gone, Head, LinkMessage, Moved, Open, Opened, Reason, unpack
from mesh.relay.supplier import MAX_LINKS, MAX_OPENS, SILENT_S, Delivery, Supplier, portion
from mesh.relay.turns import BLOCKED_S
from mesh.stream.log import StreamLog
from tests.relay.sample import LEADER, STREAM, at, extend, gops, header, log_of, video

POSITION = (1, LEADER, at(31))
PLENTY = 1 << 30


class Feeding:
    """A supplier with logs of 30 frames, and what comes out of it."""

    def __init__(self, streams: int = 1, lag_s: float = 3) -> None:
        self.logs = {STREAM: log_of(*gops(30))} | {f"live/{n}": log_of(*gops(30)) for n in range(1, streams)}
        self.feeder = "me"
        self.priorities: dict[str, int] = {}
        path, feeder = lambda stream: ("leader", "me"), lambda stream, follower: self.feeder
        priority = lambda stream: self.priorities.get(stream, 0)  # noqa: E731
        self.supplier = Supplier("me", self.logs.get, path, feeder, priority, lag_s)
        self.now = 0.0

    @property
    def log(self) -> StreamLog:
        """The one that most tests need."""
        return self.logs[STREAM]

    def told(self, message: LinkMessage, sender: str = "f") -> list[LinkMessage]:
        """What it answers."""
        self.supplier.receive(message, sender, self.now)
        return self.said()

    def open(self, position: tuple[int, str, int] | None = POSITION, credit: int = PLENTY, sender: str = "f") -> None:
        """A follower opens link 1, and is answered."""
        assert isinstance(self.told(Open(STREAM, 1, position, credit), sender)[0], Opened)

    def said(self) -> list[LinkMessage]:
        """Its control messages."""
        return [message for _, message in self.supplier.messages_to_send()]

    def write(self, *frames: Frame) -> None:
        """The log grows."""
        extend(self.log, *frames)
        self.supplier.advanced(STREAM, self.now)

    def deliveries(self) -> Iterator[Delivery]:
        """What it has for its followers; all is taken."""
        while delivery := self.supplier.next_delivery(self.now):
            self.supplier.sent(delivery, self.now)
            yield delivery

    def delivered(self) -> list[int]:
        """The same as numbers of frames."""
        return [frame.offset - at(0) for d in self.deliveries() for frame in unpack(d.parts)[2]]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (due := self.supplier.get_timer()) <= until:
            self.now = max(self.now, due)
            self.supplier.handle_timer(self.now)
        self.now = until


def test_an_open_is_confirmed_with_the_head_and_the_path() -> None:
    feeding = Feeding()
    assert feeding.told(Open(STREAM, 7, None, 0)) == [Opened(STREAM, 7, POSITION, ("leader", "me"))]


def test_a_newcomer_gets_the_newest_gop_with_its_headers() -> None:
    feeding = Feeding()
    feeding.open(None)
    assert feeding.delivered() == [0, *range(21, 31)]


def test_who_resumes_gets_exactly_what_follows() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(13)))
    assert feeding.delivered() == list(range(13, 31))
    assert feeding.delivered() == []
    feeding.write(video(31), video(32))
    assert feeding.delivered() == [31, 32]


def test_each_message_says_where_the_one_before_it_ended() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(13)))
    heads = []
    for n in range(31, 34):
        heads += [unpack(delivery.parts)[0].after - at(0) for delivery in feeding.deliveries()]
        feeding.write(video(n))
    assert heads == [13, 31, 32]


def test_a_repeated_open_is_confirmed_again_and_changes_nothing() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(13)))
    feeding.delivered()
    feeding.open((1, LEADER, at(13)))
    assert feeding.delivered() == []


def test_another_open_takes_the_place_of_the_one_before() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.told(Open(STREAM, 2, (1, LEADER, at(25)), PLENTY))
    assert [link.id for link in feeding.supplier] == [2]
    assert feeding.delivered() == list(range(25, 31))
    feeding.told(Close(STREAM, 2))
    assert not feeding.supplier.serves("f")


def test_a_stream_that_is_not_here_is_gone() -> None:
    assert Feeding().told(Open("live/none", 7, None, 0)) == [Gone("live/none", 7, Reason.NO_STREAM)]


def test_out_of_credit_it_waits_and_overshoots_by_one_frame_at_most() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(1)), credit=250)
    assert feeding.delivered() == [1, 2, 3]
    feeding.told(Credit(STREAM, 1, 300))
    assert feeding.delivered() == []
    feeding.told(Credit(STREAM, 1, 301))
    assert feeding.delivered() == [4]


def test_the_newest_grant_counts_for_what_a_link_can_take_may_shrink() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(1)), credit=0)
    feeding.told(Credit(STREAM, 1, 200))
    feeding.told(Credit(STREAM, 1, 100))
    assert feeding.delivered() == [1]


def test_credit_for_an_unknown_link_tells_its_follower_to_open_another() -> None:
    feeding = Feeding()
    assert feeding.told(Credit(STREAM, 9, PLENTY)) == [Gone(STREAM, 9, Reason.NO_LINK)]
    feeding.open()
    assert feeding.told(Credit(STREAM, 1, PLENTY), sender="g") == [Gone(STREAM, 1, Reason.NO_LINK)]


@pytest.mark.parametrize(("stream", "head"), [(STREAM, POSITION), ("live/none", None)])
def test_anyone_may_ask_for_the_head(stream: str, head: tuple[int, str, int] | None) -> None:
    assert Feeding().told(AskHead(stream, 9)) == [Head(stream, 9, head, None)]


def test_a_follower_hears_how_much_was_sent_on_its_link() -> None:
    feeding = Feeding()
    feeding.open((1, LEADER, at(11)))
    feeding.delivered()
    assert feeding.told(AskHead(STREAM, 1)) == [Head(STREAM, 1, POSITION, 2000)]


def test_a_closed_link_is_fed_no_more() -> None:
    feeding = Feeding()
    feeding.open()
    assert feeding.supplier.serves("f") and feeding.supplier.feeds(STREAM) == 1
    feeding.told(Close(STREAM, 1))
    feeding.write(video(31))
    assert feeding.delivered() == []
    assert not feeding.supplier.serves("f") and feeding.supplier.feeds(STREAM) == 0


def test_a_log_is_read_once_for_all_who_stand_at_the_same_offset() -> None:
    feeding = Feeding()
    for number in range(50):
        feeding.open(sender=f"f{number}")
    feeding.write(video(31), video(32))
    packs = [delivery.pack for delivery in feeding.deliveries()]
    assert len(packs) == 50 and len(set(map(id, packs))) == 1


def test_links_take_turns_and_a_long_way_behind_is_sent_in_pieces() -> None:
    feeding = Feeding()
    feeding.write(*(video(n, size=40_000) for n in range(31, 41)))
    feeding.open(sender="f")
    feeding.open(sender="g")
    turns = [(delivery.link.peer, delivery.pack.frames) for delivery in feeding.deliveries()]
    assert turns == [("f", 2), ("g", 2)] * 5


def test_a_connection_that_takes_nothing_is_tried_again_soon_and_then_less_often() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.write(video(31))
    tries = []
    while feeding.now < 1.9:
        if delivery := feeding.supplier.next_delivery(feeding.now):
            tries.append(feeding.now)
            feeding.supplier.blocked(delivery, feeding.now)
        feeding.told(Credit(STREAM, 1, PLENTY))
        feeding.wait(0.001)
    assert len([time for time in tries if time < 0.01]) == 10
    assert 20 <= len(tries) <= 100
    feeding.wait(0.2)
    assert feeding.delivered() == [31]


def test_a_connection_that_takes_nothing_for_two_seconds_is_lost_with_all_its_links() -> None:
    feeding = Feeding(streams=3)
    for stream in feeding.logs:
        feeding.told(Open(stream, 1, (1, LEADER, at(20)), PLENTY))
    said: list[LinkMessage] = []
    while feeding.supplier.serves("f"):
        if delivery := feeding.supplier.next_delivery(feeding.now):
            feeding.supplier.blocked(delivery, feeding.now)
        said += feeding.said()
        feeding.wait(0.01)
    assert feeding.now == pytest.approx(BLOCKED_S, abs=0.3)
    assert said + feeding.said() == [Gone(stream, 1, Reason.NO_LINK) for stream in feeding.logs]


@pytest.mark.parametrize("relief", ["a message is taken", "its last link is closed"])
def test_how_long_a_connection_has_taken_nothing_is_counted_from_the_last_relief(relief: str) -> None:
    feeding = Feeding()
    for n, feeding.now in ((31, 0.0), (32, BLOCKED_S), (33, 2 * BLOCKED_S)):
        if not feeding.supplier.serves("f"):
            feeding.open((1, LEADER, at(n)))
        feeding.write(video(n))
        delivery = feeding.supplier.next_delivery(feeding.now)
        assert delivery
        feeding.supplier.blocked(delivery, feeding.now)
        assert feeding.supplier.serves("f") and feeding.said() == []
        if relief == "a message is taken":
            feeding.supplier.sent(delivery, feeding.now)
            feeding.supplier.handle_timer(feeding.now + 1)
        else:
            feeding.told(Close(STREAM, 1))


def test_a_blocked_follower_holds_up_nobody_else() -> None:
    feeding = Feeding(streams=2)
    for stream, sender in ((STREAM, "f"), ("live/1", "f"), (STREAM, "g")):
        feeding.told(Open(stream, 1, (1, LEADER, at(30)), PLENTY), sender)
    served = []
    while delivery := feeding.supplier.next_delivery(feeding.now):
        served.append(delivery.link.peer)
        act = feeding.supplier.blocked if delivery.link.peer == "f" else feeding.supplier.sent
        act(delivery, feeding.now)
    assert served == ["f", "g"]


def test_a_silent_follower_is_forgotten() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.wait(SILENT_S)
    assert feeding.supplier.serves("f")
    feeding.wait(1.1)
    assert not feeding.supplier.serves("f")


def test_a_follower_that_grants_credit_is_kept() -> None:
    feeding = Feeding()
    feeding.open()
    for _ in range(40):
        feeding.told(Credit(STREAM, 1, PLENTY))
        feeding.wait(0.25)
    assert feeding.supplier.serves("f")


def test_one_that_lags_skips_to_the_newest_entry_with_its_headers() -> None:
    feeding = Feeding()
    feeding.open(credit=0)
    for n in range(31, 200):
        feeding.now += 0.02
        feeding.write(header(n) if n == 150 else video(n, n % 50 == 2))
    feeding.told(Credit(STREAM, 1, PLENTY))
    assert feeding.delivered() == [150, *range(152, 200)]
    (link,) = feeding.supplier
    assert link.skips == 1


def test_the_end_of_a_log_is_told() -> None:
    feeding = Feeding()
    feeding.open()
    del feeding.logs[STREAM]
    feeding.supplier.advanced(STREAM, 0)
    assert feeding.said() == [Gone(STREAM, 1, Reason.NO_STREAM)]
    assert list(feeding.supplier) == []


def test_a_log_that_was_replaced_is_opened_anew() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.logs[STREAM] = log_of(*gops(30, epoch=2))
    feeding.wait(1.1)
    assert feeding.said() == [Gone(STREAM, 1, Reason.NO_LINK)]


def test_a_node_that_leaves_ends_all_links() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.supplier.close()
    assert feeding.said() == [Gone(STREAM, 1, Reason.LEAVING)]


def test_followers_can_be_sent_elsewhere_and_are_fed_until_they_have_gone() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.supplier.move(STREAM, "other")
    assert feeding.said() == [Moved(STREAM, 1, "other")]
    feeding.write(video(31))
    assert feeding.delivered() == [31]


def test_lag_is_reported_in_ms() -> None:
    feeding = Feeding()
    feeding.open(credit=0)
    feeding.now = 1.0
    feeding.write(video(31))
    feeding.now = 1.5
    ((_, lag_ms),) = feeding.supplier.lags(feeding.now)
    assert lag_ms == 500


def test_a_follower_has_a_bounded_number_of_links() -> None:
    feeding = Feeding(streams=MAX_LINKS + 2)
    answers = [feeding.told(Open(stream, 1, None, 0))[0] for stream in feeding.logs]
    assert [type(answer) for answer in answers] == [Opened] * MAX_LINKS + [Gone] * 2
    assert isinstance(feeding.told(Open("live/1", 2, None, 0))[0], Opened)
    assert isinstance(feeding.told(Open(STREAM, 1, None, 0), sender="g")[0], Opened)


def test_a_follower_that_opens_without_end_is_not_answered_for_a_while() -> None:
    feeding = Feeding()
    answers = [answer for n in range(MAX_OPENS + 10) for answer in feeding.told(Open(STREAM, n, None, 0))]
    assert len(answers) == MAX_OPENS
    assert feeding.supplier.dropped["too many opens"] == 10
    feeding.wait(1.1)
    assert isinstance(feeding.told(Open(STREAM, 1, None, 0))[0], Opened)


NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, 3), st.integers(at(0), at(40)))
STREAMS = st.sampled_from([STREAM, "live/1", "live/none", ""])
POSITIONS = st.none() | st.tuples(NUMBERS, st.sampled_from([LEADER, ""]), NUMBERS)
REQUESTS = st.one_of(
    st.builds(Open, STREAMS, NUMBERS, POSITIONS, NUMBERS),
    st.builds(Credit, STREAMS, NUMBERS, NUMBERS),
    st.builds(Close, STREAMS, NUMBERS),
    st.builds(AskHead, STREAMS, NUMBERS),
)


@settings(deadline=None)
@given(st.lists(st.tuples(REQUESTS, st.sampled_from("fgh"), st.floats(0, 1), st.booleans()), max_size=30))
def test_whatever_followers_say_it_goes_on(requests: list[tuple[LinkMessage, str, float, bool]]) -> None:
    feeding = Feeding(streams=2)
    for n, (request, sender, pause, taken) in enumerate(requests):
        feeding.said()
        assert len(feeding.told(request, sender)) <= 1
        feeding.write(video(31 + n, n % 5 == 0))
        while delivery := feeding.supplier.next_delivery(feeding.now):
            unpack(delivery.parts)
            act = feeding.supplier.sent if taken else feeding.supplier.blocked
            act(delivery, feeding.now)
        feeding.wait(pause)
        assert sum(map(feeding.supplier.serves, "fgh")) <= len(list(feeding.supplier)) <= 6


def test_a_new_follower_is_sent_where_there_is_room_or_nowhere_but_an_old_one_is_kept() -> None:
    feeding = Feeding()
    feeding.open()
    feeding.feeder = "other"
    assert feeding.told(Open(STREAM, 2, POSITION, PLENTY), "g") == [Moved(STREAM, 2, "other")]
    feeding.feeder = ""
    assert feeding.told(Open(STREAM, 3, POSITION, PLENTY), "g") == [Gone(STREAM, 3, Reason.TOO_MANY)]
    feeding.open()
    assert [link.peer for link in feeding.supplier] == ["f"]


def test_on_a_way_that_is_too_thin_a_stream_of_higher_priority_goes_first() -> None:
    feeding = Feeding(streams=2)
    feeding.priorities[STREAM] = 1
    feeding.open(credit=1)
    feeding.told(Open("live/1", 7, POSITION, PLENTY))
    feeding.write(video(31))
    assert feeding.delivered() == [31]
    feeding.wait(0.5)
    feeding.write(video(32))
    feeding.wait(0.5)
    feeding.supplier.advanced(STREAM, feeding.now)
    assert feeding.delivered() == []
    extend(feeding.logs["live/1"], video(31))
    feeding.supplier.advanced("live/1", feeding.now)
    assert feeding.delivered() == []
    feeding.told(Credit(STREAM, 1, PLENTY))
    assert feeding.delivered() == [32]
    feeding.wait(0.1)
    assert feeding.delivered() == [31]


@pytest.mark.parametrize(
    ("left", "size"), [(1, 1), (3000, 3000), (16_384, 4096), (65_536, 16_384), (262_144, 65_536), (1 << 23, 65_536)]
)
def test_a_message_takes_a_quarter_of_the_credit(left: int, size: int) -> None:
    assert portion(left) == size


def test_a_stream_that_waits_for_a_keyframe_holds_up_no_other() -> None:
    high, low = log_of(*gops(30)), log_of(*gops(30))
    logs = {"hi/x": high, "lo/x": low}
    supplier = Supplier("me", logs.get, lambda _: ("me",), lambda *_: "me", lambda key: int(key == "hi/x"), 3.0)
    supplier.receive(Open("hi/x", 1, (1, "2" * 32, at(20)), 1 << 20), "p", 0.0)  # another led it there
    supplier.receive(Open("lo/x", 2, (1, LEADER, at(5)), 1 << 20), "p", 0.0)
    got = 0
    for number in range(31, 281):
        now = (number - 30) / 50
        high.append(video(number))
        low.append(video(number))
        for key, link in (("hi/x", 1), ("lo/x", 2)):
            supplier.advanced(key, now)
            supplier.receive(Credit(key, link, 1 << 20), "p", now)
        if supplier.get_timer() <= now:
            supplier.handle_timer(now)
        while delivery := supplier.next_delivery(now):
            got += delivery.pack.frames if delivery.link.stream == "lo/x" else 0
            supplier.sent(delivery, now)
    assert got >= 281 - 5 - 3
