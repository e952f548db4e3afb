from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.media.frame import Frame, Kind, Position
from mesh.relay.credit import AHEAD_S
from mesh.relay.follower import CREDIT_S, Follower
from mesh.relay.message import (
    AskHead,
    Close,
    Credit,
    Gone,
    Head,
    LinkMessage,
    Media,
    Moved,
    Open,
    Opened,
    Reason,
    Run,
    describe,
)
from mesh.relay.pace import RATE
from mesh.relay.state import State
from tests.relay.lossy import Network, Node, Weather
from tests.relay.sample import LEADER, STREAM, at, empty_log, gops, header, held, log_of, video

GOP = 25
FRAME_S = 0.02
WEATHERS = st.builds(
    Weather,
    drop=st.floats(0, 0.5),
    repeat=st.floats(0, 0.5),
    delay_s=st.floats(0.0001, 0.1),
    jitter_s=st.floats(0, 0.01),
)


def publish(leader: Node, frames: list[Frame], start: float = 0.0) -> float:
    """Have a leader write these at their pace; return when the last is written."""
    for number, frame in enumerate(frames):
        leader.network.at(start + number * FRAME_S, lambda frame=frame: leader.write(frame))
    return start + len(frames) * FRAME_S


def chain(network: Network, *ids: str) -> list[Node]:
    """Nodes of which each fetches from the one before."""
    nodes = [network.node(id) for id in ids]
    for supplier, node in zip(ids, nodes[1:], strict=False):
        node.fetch(supplier)
    return nodes


def is_copy(replica: Node, leader: Node) -> bool:
    """Whether a replica holds all that its leader does, from the keyframe on where it joined."""
    copy, original = held(replica.log), held(leader.log)
    joined = next(frame.offset for frame in copy if frame.keyframe)
    return [frame for frame in copy if frame.offset >= joined] == [f for f in original if f.offset >= joined]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 1 << 32), WEATHERS, st.lists(st.floats(0.1, 4), max_size=4), st.sampled_from([300, 5000, 70_000]))
def test_a_replica_is_its_leaders_log_whatever_gets_lost(
    seed: int, weather: Weather, cuts: list[float], size: int
) -> None:
    network = Network(seed, weather)
    leader, first, second = chain(network, "a", "b", "c")
    end = publish(leader, gops(200, GOP, size))
    for cut in cuts:
        network.at(cut, lambda: network.cut("a", "b"))
        network.at(cut, lambda: network.cut("b", "c"))
    network.run(end)
    network.weather = Weather()
    network.run(end + 20)
    assert is_copy(first, leader) and is_copy(second, leader)
    assert first.follower.skips == second.follower.skips == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1 << 32), st.lists(st.tuples(st.floats(0.1, 4), st.sampled_from("ab")), max_size=6))
def test_a_replica_that_changes_its_supplier_again_and_again_misses_nothing(
    seed: int, switches: list[tuple[float, str]]
) -> None:
    network = Network(seed, Weather(drop=0.1, repeat=0.1, delay_s=0.02))
    leader, other, replica = chain(network, "a", "b", "c")
    end = publish(leader, gops(200, GOP))
    for time, supplier in switches:
        network.at(time, lambda supplier=supplier: replica.fetch(supplier))
    network.run(end + 10)
    assert is_copy(other, leader) and is_copy(replica, leader)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1 << 32), st.floats(0.2, 0.7))
def test_over_a_thin_link_whole_runs_are_skipped_and_both_ends_count_them(seed: int, share: float) -> None:
    network = Network(seed)
    leader, replica = network.node("a", lag_s=1), network.node("b")
    got: list[Frame] = []
    replica.log.on_append = lambda: got.append(replica.log.read(replica.log.head - 1, 1).frames[0])
    network.weather.rate = share * 8000 / FRAME_S
    replica.fetch("a")
    end = publish(leader, gops(250, GOP, 8000))
    network.run(end)
    network.weather.rate = 1e9
    network.run(end + 5)
    (link,) = leader.supplier
    resumed = [frame for before, frame in pairwise(got) if frame.offset > before.offset + 1]
    assert len(resumed) == link.skips == replica.follower.skips > 0
    assert all(frame.keyframe for frame in resumed)
    assert replica.log.head == leader.log.head and replica.follower.losses == 0


def test_who_leaves_a_relay_that_has_only_the_sound_shows_no_picture_until_a_keyframe() -> None:
    network = Network()
    leader, relay = network.node("a", lag_s=0.5), network.node("b", lag_s=0.5)
    replica = network.node("c")
    relay.fetch("a")
    network.at(0.2, lambda: replica.fetch("b"))
    frames = enumerate(gops(400, 51, 4000))
    end = publish(leader, [frame if n % 2 or n == 0 else frame._replace(kind=Kind.AUDIO) for n, frame in frames])
    network.at(2, lambda: setattr(network.weather, "rate", 20_000.0))
    left: list[float] = []

    def leave_in_mid_skip() -> None:
        sounds = [frame.offset for frame in held(replica.log)[-3:] if frame.kind == Kind.AUDIO]
        if len(sounds) == 3 and sounds[2] > sounds[0] + 3 and 8 < (sounds[2] - at(1)) % 51 < 40:
            left.append(network.now)
            network.weather.rate = 1e9
            replica.fetch("a")
        else:
            network.at(network.now + 0.005, leave_in_mid_skip)

    network.at(2, leave_in_mid_skip)
    network.run(end + 2)
    assert left and relay.follower.skips
    for log in relay.log, replica.log:
        pictures = [frame for frame in held(log) if frame.kind == Kind.VIDEO and not frame.config]
        assert all(later.keyframe for one, later in pairwise(pictures) if later.offset - one.offset > 2)
    assert replica.log.head == leader.log.head


def test_a_follower_that_was_away_for_longer_than_the_window_skips_to_the_newest_entry() -> None:
    network = Network()
    leader, replica = network.node("a", max_bytes=40_000), network.node("b")
    replica.fetch("a")
    end = publish(leader, gops(500, GOP))
    network.at(2, lambda: network.away.add("b"))
    network.at(7, lambda: network.away.clear())
    network.run(end + 1)
    assert replica.follower.skips == 1
    assert replica.log.head == leader.log.head


def test_who_skips_gets_the_headers_that_changed_meanwhile() -> None:
    network = Network()
    leader, replica = network.node("a", max_bytes=40_000), network.node("b")
    replica.fetch("a")
    frames = gops(500, GOP)
    frames[200] = header(200)
    end = publish(leader, frames)
    network.at(2, lambda: network.away.add("b"))
    network.at(7, lambda: network.away.clear())
    network.run(end + 1)
    assert replica.log.headers == leader.log.headers == (header(200),)


def test_a_supplier_that_was_restarted_goes_on_where_it_was() -> None:
    network = Network()
    leader, replica = chain(network, "a", "b")
    end = publish(leader, gops(100, GOP))
    network.at(1, leader.restart)
    network.run(end + 1)
    assert is_copy(replica, leader)
    assert replica.states == [State.OPEN]


def test_a_supplier_that_stands_still_is_reported_lost_within_a_second_and_found_again() -> None:
    network = Network()
    leader, replica = chain(network, "a", "b")
    publish(leader, gops(300, GOP))
    network.at(1, lambda: network.away.add("a"))
    network.run(2)
    assert replica.states == [State.OPEN, State.LOST]
    assert replica.follower.reason == "it does not answer"
    network.away.clear()
    network.run(8)
    assert replica.states == [State.OPEN, State.LOST, State.OPEN]
    assert is_copy(replica, leader)


def test_a_stream_that_stands_still_is_not_lost_and_costs_few_questions() -> None:
    network = Network()
    leader, replica = chain(network, "a", "b")
    publish(leader, gops(50, GOP))
    network.run(30)
    assert replica.states == [State.OPEN]
    carried = network.carried
    network.run(60)
    assert network.carried == carried


def test_a_path_goes_from_the_leader_down_and_a_change_of_it_too() -> None:
    network = Network()
    leader, _, two, last = chain(network, "a", "b", "c", "d")
    publish(leader, gops(200, GOP))
    network.run(1)
    assert last.follower.path == ("a", "b", "c")
    two.fetch("a")
    network.run(2)
    assert last.follower.path == ("a", "c")
    assert last.states[-1] is State.OPEN


def test_who_sees_itself_in_its_suppliers_path_hangs_up() -> None:
    network = Network()
    leader, one, two = chain(network, "a", "b", "c")
    publish(leader, gops(200, GOP))
    network.run(1)
    one.fetch("c")
    network.run(2)
    assert one.states[-1] is State.LOST and "this node" in one.follower.reason
    network.run(5)
    assert is_copy(one, leader) and is_copy(two, leader)


def test_a_supplier_that_leaves_names_another_and_nothing_is_missed() -> None:
    network = Network()
    leader, one, two = chain(network, "a", "b", "c")
    end = publish(leader, gops(200, GOP))
    network.at(2, lambda: (one.supplier.move(STREAM, "a"), one.settle()))
    network.run(end + 1)
    assert two.follower.supplier == "a" and two.follower.path == ("a",)
    assert State.MOVED in two.states and two.states[-1] is State.OPEN
    assert is_copy(two, leader) and list(one.supplier) == []


def test_a_new_epoch_flows_down_with_its_leader() -> None:
    network = Network()
    leader, _, two = chain(network, "a", "b", "c")
    end = publish(leader, gops(30, GOP))
    end = publish(leader, gops(30, GOP, epoch=2), end)
    network.run(end + 1)
    assert [epoch[:2] for epoch in two.log.epochs] == [(1, "a"), (2, "a")]
    assert is_copy(two, leader) and two.follower.skips == 0


def test_a_replica_of_the_loser_waits_for_the_winners_next_epoch() -> None:
    network = Network()
    winner, loser, replica = network.node("b"), network.node("a"), network.node("c")
    winner.write(*gops(30))
    loser.write(*gops(90))
    replica.fetch("a")
    network.run(1)
    replica.fetch("b")
    network.run(2)
    assert replica.log.position == Position(1, "a", at(91))
    end = publish(winner, gops(20, epoch=3), 2)
    network.run(end + 1)
    assert replica.log.position == winner.log.position
    assert replica.follower.skips == 1


class Alone:
    """A follower and nobody else: what it says, and what it is told."""

    def __init__(self, *frames: Frame) -> None:
        self.log = log_of(*frames) if frames else empty_log()
        self.follower = Follower("me", STREAM, self.log, tuple, lambda _: 0.001, Random(1))
        self.follower.open("s", 0)
        (self.open,) = self.said()

    def said(self) -> list[LinkMessage]:
        """What it has to say, all to its supplier."""
        messages = self.follower.messages_to_send()
        assert {peer for peer, _ in messages} <= {"s"}
        return [message for _, message in messages]

    def opened(self, now: float = 0.01, path: tuple[str, ...] = ("s",)) -> None:
        """The supplier confirms."""
        self.follower.receive(Opened(STREAM, self.open.link, None, path), "s", now)

    def told(self, message: type, *fields: object, now: float = 0.1) -> None:
        """The supplier says something on the link."""
        self.follower.receive(message(STREAM, self.open.link, *fields), "s", now)

    def given(self, after: int, *frames: Frame, link: int | None = None, now: float = 0.1) -> None:
        """The supplier sends media."""
        run = Run(frames[0].offset, frames[-1].offset + 1, ((1, LEADER),), 0, describe(frames))
        self.follower.receive_media(Media(STREAM, link or self.open.link, after, 0), run, frames, now)


def test_it_asks_for_an_entry_or_for_what_its_log_lacks() -> None:
    assert Alone().open.position is None
    assert Alone(*gops(30)).open.position == (1, LEADER, at(31))


def test_an_open_without_an_answer_is_repeated_as_it_is() -> None:
    alone = Alone()
    while (now := alone.follower.get_timer()) < 4:
        alone.follower.handle_timer(now)
    assert alone.said() == [alone.open] * 9
    assert alone.follower.next_event() is State.LOST


def test_credit_is_repeated_four_times_a_second_once_it_is_open() -> None:
    alone = Alone()
    alone.opened()
    alone.follower.handle_timer(CREDIT_S)
    alone.follower.handle_timer(2 * CREDIT_S)
    credits = [message for message in alone.said() if isinstance(message, Credit)]
    assert credits == [Credit(STREAM, alone.open.link, int((AHEAD_S + 2 * 0.001) * RATE))] * 2


def test_credit_is_granted_at_once_when_half_of_it_is_used() -> None:
    alone = Alone()
    alone.opened()
    alone.given(0, video(1, True, size=alone.open.credit))
    window = int((AHEAD_S + 2 * 0.001) * RATE)
    assert alone.said() == [Credit(STREAM, alone.open.link, alone.open.credit + window)]


def test_frames_that_come_twice_are_taken_once() -> None:
    alone = Alone(*gops(30))
    alone.given(at(31), *(video(n) for n in range(28, 34)))
    assert [frame.offset for frame in held(alone.log)] == [at(n) for n in range(34)]
    assert alone.follower.frames == 3


def test_a_message_that_does_not_follow_the_one_before_is_a_loss_and_opens_anew() -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.given(at(31), video(31))
    alone.said()
    alone.given(at(33), video(33), now=1)
    (again,) = alone.said()
    assert (again.position, again.link == alone.open.link) == ((1, LEADER, at(32)), False)
    assert alone.follower.losses == 1 and alone.log.head == at(32)


def test_a_supplier_that_loses_each_message_is_not_asked_ten_times_a_second() -> None:
    alone, opens, now = Alone(), [], 0.0
    while now < 10:
        opens += [message for message in alone.said() if isinstance(message, Open)]
        if opens:
            alone.given(7, video(1, True), link=opens[-1].link, now=now)
        alone.follower.handle_timer(now)
        now += 0.001
    assert 90 <= len(opens) <= 101


def test_the_old_link_serves_until_the_new_one_does() -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.given(at(31), video(31))
    alone.told(Head, (1, LEADER, at(40)), None, now=1)
    (new,) = alone.said()
    alone.given(at(32), video(32))
    alone.given(at(32), video(32), video(33), link=new.link)
    alone.given(at(33), video(33), video(34))
    assert alone.log.head == at(34)
    assert Close(STREAM, alone.open.link) in alone.said()
    assert alone.follower.dropped["unknown link"] == 1


@pytest.mark.parametrize(("node", "moves"), [("other", True), ("me", False)])
def test_it_moves_where_it_is_sent_but_not_to_itself(node: str, moves: bool) -> None:
    alone = Alone()
    alone.told(Moved, node)
    assert (alone.follower.state is State.MOVED) == moves
    assert alone.follower.supplier == (node if moves else "s")


def test_a_supplier_that_is_being_left_cannot_send_it_elsewhere() -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.given(at(31), video(31))
    alone.follower.open("better", 1)
    alone.told(Moved, "other")
    assert alone.follower.supplier == "better"


def test_a_silent_supplier_is_asked_how_far_it_is() -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.follower.handle_timer(0.4)
    assert AskHead(STREAM, alone.open.link) in alone.said()


@pytest.mark.parametrize(
    ("head", "spent", "now", "anew"),
    [
        (31, 0, 9, False),
        (31, 100, 9, False),
        (32, 0, 9, False),
        (32, 100, 0.35, True),
        (32, 65_536, 1.1, False),
        (32, 65_536, 1.3, True),
        (32, None, 0.1, True),
    ],
    ids=[
        "has nothing new",
        "has nothing new and sent what is known",
        "has not sent it yet",
        "sent a little that should be here",
        "sent much that may be on its way",
        "sent much that should be here by now",
        "does not know the link",
    ],
)
def test_it_opens_anew_when_the_supplier_is_ahead_and(head: int, spent: int | None, now: float, anew: bool) -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.told(Head, (1, LEADER, at(head)), spent, now=now)
    assert [type(message) for message in alone.said()] == ([Close, Open] if anew else [])


def test_a_supplier_without_the_stream_is_asked_no_more() -> None:
    alone = Alone()
    alone.told(Gone, Reason.NO_STREAM)
    assert alone.follower.next_event() is State.GONE
    assert alone.follower.reason == "no such stream"
    alone.follower.handle_timer(100)
    assert alone.said() == []


def test_a_supplier_that_does_not_know_the_link_is_asked_for_another() -> None:
    alone = Alone()
    alone.told(Gone, Reason.NO_LINK, now=1)
    (again,) = alone.said()
    assert again == replace(alone.open, link=again.link)
    assert alone.follower.next_event() is None


def test_another_leader_of_the_same_epoch_is_refused() -> None:
    alone = Alone(*gops(30))
    run = Run(at(31), at(32), ((1, "2" * 32),), 0, describe([video(31)]))
    alone.follower.receive_media(Media(STREAM, alone.open.link, at(31), 0), run, [video(31)], 0.1)
    assert alone.log.head == at(31)
    assert alone.follower.next_event() is State.LOST
    assert Close(STREAM, alone.open.link) in alone.said()


def test_a_header_that_no_codec_understands_is_counted() -> None:
    alone = Alone()
    alone.given(0, header(1)._replace(payload=b""), video(2, True))
    assert alone.follower.dropped["malformed header"] == 1
    assert alone.log.head == at(3)


@pytest.mark.parametrize("sender", ["s", "x"])
def test_only_the_supplier_is_heeded(sender: str) -> None:
    alone = Alone()
    alone.follower.receive(Gone(STREAM, alone.open.link, Reason.NO_STREAM), sender, 0.1)
    assert (alone.follower.state is State.GONE) == (sender == "s")


def test_a_closed_follower_says_goodbye_and_nothing_more() -> None:
    alone = Alone(*gops(30))
    alone.opened()
    alone.follower.close()
    alone.follower.close()
    assert alone.said() == [Close(STREAM, alone.open.link)]
    alone.given(at(31), video(31))
    alone.follower.handle_timer(100)
    assert alone.said() == [] and alone.log.head == at(31)
    assert [alone.follower.next_event(), alone.follower.next_event()] == [State.CLOSED, None]


NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.integers(at(25), at(35)))
NODES = st.sampled_from(["s", "me", "x", ""])
POSITIONS = st.none() | st.tuples(NUMBERS, NODES, NUMBERS)
REPLIES = st.one_of(
    st.builds(Opened, st.just(STREAM), st.just(0), POSITIONS, st.lists(NODES, max_size=20).map(tuple)),
    st.builds(Head, st.just(STREAM), st.just(0), POSITIONS, st.none() | NUMBERS),
    st.builds(Moved, st.just(STREAM), st.just(0), NODES),
    st.builds(Gone, st.just(STREAM), st.just(0), st.sampled_from([*Reason, "hm"])),
    st.tuples(NUMBERS, st.integers(25, 40), st.integers(1, 5)),
)


@settings(deadline=None)
@given(st.lists(st.tuples(REPLIES, st.booleans(), st.floats(0, 1)), max_size=30))
def test_whatever_a_supplier_says_the_log_stays_in_order(replies: list) -> None:
    follower = Follower("me", STREAM, log := log_of(*gops(30)), tuple, lambda _: 0.001, Random(1))
    follower.open("s", 0)
    links, now = [0], 0.0
    for reply, stale, pause in replies:
        now += pause
        links += [message.link for _, message in follower.messages_to_send() if isinstance(message, Open)]
        link = links[0] if stale else links[-1]
        if isinstance(reply, tuple):
            after, first, length = reply
            frames = [video(n, n % 3 == 0) for n in range(first, first + length)]
            run = Run(frames[0].offset, frames[-1].offset + 1, ((1, LEADER),), 0, describe(frames))
            follower.receive_media(Media(STREAM, link, after, 0), run, frames, now)
        else:
            follower.receive(replace(reply, link=link), follower.supplier, now)
        follower.handle_timer(now)
        while follower.next_event():
            pass
        assert len(follower._links) <= 2
    offsets = [frame.offset for frame in held(log)]
    assert offsets == sorted(set(offsets))


def test_a_keyframe_that_the_log_has_passed_makes_nothing_visible_again() -> None:
    alone = Alone(*gops(30, 10))
    alone.opened()
    alone.given(at(31), video(31))
    alone.told(Head, (1, LEADER, at(40)), None, now=1)
    (new,) = [message for message in alone.said() if isinstance(message, Open)]
    sounds = [Frame(at(n), Kind.AUDIO, n * 20, 0, False, False, b"\xaf\x01a") for n in (45, 47)]
    alone.given(at(32), *sounds, now=1.1)  # the old link skips
    alone.given(at(32), *(video(n, n == 41) for n in range(32, 56)), link=new.link, now=1.2)
    assert [frame.kind for frame in held(alone.log) if frame.offset >= at(32)] == [Kind.AUDIO, Kind.AUDIO]
