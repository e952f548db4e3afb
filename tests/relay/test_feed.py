import pytest

from mesh.media.frame import Entry, Frame, Kind, Position
from mesh.media.wire import encode
from mesh.relay.feed import MAX_FRAMES, Feed, Link, Pack, resume
from mesh.relay.message import Media, unpack
from mesh.stream.log import StreamLog
from tests.relay.sample import LEADER, STREAM, at, empty_log, extend, gops, header, held, log_of, video

OTHER = "2" * 32
LAG_S = 3.0


def two_epochs() -> StreamLog:
    """Epoch 2 of LEADER, of which GOPs begin at 1 and 11, and epoch 4 of OTHER, where they begin at 1 and 11."""
    log = log_of(*gops(15, epoch=2))
    extend(log, *gops(15, epoch=4), leader=OTHER)
    return log


def link_at(offset: int, now: float = 0) -> Link:
    """A link that has been sent everything before `offset`."""
    return Link("follower", STREAM, 1, None, offset, 1 << 20, now, now, started=True)


def frames_of(pack: Pack | None) -> list[Frame]:
    """What a follower finds in a pack."""
    assert pack
    return unpack([encode(Media(STREAM, 1, 0, 0)), *pack.parts])[2]


ENTRY = at(11, 4)
RESUMES = {
    "no position: the newest entry": (None, ENTRY),
    "a position that the log shares": (Position(2, LEADER, at(7, 2)), at(7, 2)),
    "the end of an epoch that was continued": (Position(2, LEADER, at(16, 2)), at(16, 2)),
    "the end of an epoch whose last frames never came here": (Position(2, LEADER, at(99, 2)), at(99, 2)),
    "the head": (Position(4, OTHER, at(16, 4)), at(16, 4)),
    "ahead of the head: wait": (Position(4, OTHER, at(17, 4)), None),
    "an older epoch that another led": (Position(2, OTHER, at(7, 2)), ENTRY),
    "an epoch that the log never knew": (Position(3, LEADER, at(7, 3)), ENTRY),
    "the same epoch of another leader: wait for the next": (Position(4, LEADER, at(3, 4)), None),
    "a newer epoch: wait": (Position(5, LEADER, at(3, 5)), None),
}


@pytest.mark.parametrize(("position", "offset"), RESUMES.values(), ids=RESUMES)
def test_a_follower_resumes_where_its_log_can_go_on(position: Position | None, offset: int | None) -> None:
    place = resume(two_epochs(), position)
    assert (place.offset if place else None) == offset


def test_a_position_off_the_tail_resumes_at_the_newest_entry_with_its_headers() -> None:
    log = log_of(*gops(100, size=1000), max_bytes=40_000)
    assert log.tail > at(5)
    assert resume(log, Position(1, LEADER, at(5))) == Entry(at(91), (header(0),))


def test_without_an_entry_a_newcomer_waits() -> None:
    assert resume(empty_log(), None) is None
    assert resume(log_of(header(0), video(1)), None) is None


def test_one_read_serves_all_links_at_the_same_offset() -> None:
    log = log_of(*gops(25))
    feed = Feed(log, LAG_S, 0)
    first = feed.read(Entry(at(3), ()), 500)
    assert first is feed.read(Entry(at(3), ()), 500)
    assert [frame.offset for frame in frames_of(first)] == [at(n) for n in range(3, 8)]


def test_a_read_is_not_shared_with_a_smaller_limit_nor_after_the_log_grew() -> None:
    log = log_of(*gops(25))
    feed = Feed(log, LAG_S, 0)
    first = feed.read(Entry(at(3), ()), 500)
    assert len(frames_of(feed.read(Entry(at(3), ()), 100))) == 1
    second = feed.read(Entry(at(20), ()), 1 << 20)
    log.append(video(26))
    assert first and second and len(frames_of(feed.read(Entry(at(20), ()), 1 << 20))) == second.frames + 1


def test_a_read_with_headers_is_not_shared_with_one_that_needs_none() -> None:
    log = log_of(*gops(25))
    feed = Feed(log, LAG_S, 0)
    assert log.entry
    assert frames_of(feed.read(log.entry, 500))[0] == header(0)
    assert frames_of(feed.read(Entry(log.entry.offset, ()), 500))[0] == video(21, keyframe=True)


def test_a_read_tells_the_leader_of_each_epoch_in_it() -> None:
    pack = Feed(two_epochs(), LAG_S, 0).read(Entry(at(14, 2), ()), 1 << 20)
    assert pack
    _, run, frames = unpack([encode(Media(STREAM, 1, 0, 0)), *pack.parts])
    assert run.leaders == ((2, LEADER), (4, OTHER))
    assert (run.start, run.end, run.headers, len(frames)) == (at(14, 2), at(16, 4), 0, 18)


def test_a_message_has_a_bounded_number_of_frames_however_small_they_are() -> None:
    pack = Feed(log_of(*gops(2 * MAX_FRAMES)), LAG_S, 0).read(Entry(at(0), ()), 1 << 20)
    assert pack and (pack.frames, pack.end) == (MAX_FRAMES, at(MAX_FRAMES))


def test_there_is_nothing_to_read_at_the_head() -> None:
    assert Feed(log_of(*gops(5)), LAG_S, 0).read(Entry(at(6), ()), 500) is None


def test_lag_is_how_long_the_next_frame_has_waited() -> None:
    log = log_of(*gops(1))
    feed = Feed(log, LAG_S, 0)
    for n in range(2, 102):
        log.append(video(n))
        feed.note(n * 0.02)
    now = 2.02
    assert feed.lag_s(link_at(log.head), now) == 0
    for n in (20, 50, 99):
        assert feed.lag_s(link_at(at(n)), now) == pytest.approx(now - n * 0.02, abs=0.11)


def test_no_lag_from_before_a_link_was_opened_is_held_against_it() -> None:
    feed = Feed(log_of(*gops(50)), LAG_S, 0)
    feed.note(10)
    assert feed.lag_s(link_at(at(3), now=9), 10) == 1


def test_a_link_that_lags_goes_on_at_the_newest_entry() -> None:
    log = log_of(*gops(50))
    feed = Feed(log, LAG_S, 0)
    link = link_at(at(3))
    assert feed.place(link, LAG_S) == Entry(at(3), ())
    assert feed.place(link, LAG_S + 0.01) == Entry(at(41), (header(0),))


def test_a_link_that_lags_behind_no_newer_entry_goes_on() -> None:
    log = log_of(*gops(50, length=100))
    assert Feed(log, LAG_S, 0).place(link_at(at(3)), 60) == Entry(at(3), ())


def test_a_link_at_the_head_has_no_place_to_read() -> None:
    log = log_of(*gops(5))
    assert Feed(log, LAG_S, 0).place(link_at(at(6)), 0) is None


@pytest.mark.parametrize(("start", "skips"), [(at(3), 0), (at(7), 1)])
def test_a_link_counts_what_it_was_sent_and_when_it_skipped(start: int, skips: int) -> None:
    link = link_at(at(3))
    link.advance(Pack(start, at(9), 2, 200, 100, []), 5)
    assert (link.next, link.spent, link.bytes, link.frames, link.skips) == (at(9), 200, 200, 2, skips)
    assert link.since == (5 if skips else 0)


def test_the_first_entry_of_a_newcomer_is_no_skip() -> None:
    link = Link("follower", STREAM, 1, None, 0, 1 << 20, 0, 0)
    link.advance(Pack(at(7), at(9), 2, 200, 100, []), 0)
    assert link.skips == 0


def with_sound() -> list[Frame]:
    """GOPs of 20 frames, each third of which is sound."""
    frames = held(log_of(*gops(60, length=20)))
    return [f._replace(kind=Kind.AUDIO, keyframe=False) if f.offset % 3 == 0 and not f.keyframe else f for f in frames]


def sent_on(link: Link, feed: Feed, limit: int) -> list[Frame]:
    """What a link is sent in portions of so many bytes, until it has everything."""
    got: list[Frame] = []
    while (place := feed.place(link, LAG_S + 1)) and (pack := feed.read(place, limit, link.pictures_at)):
        assert pack.short < limit + 106
        got += frames_of(pack)
        link.advance(pack, LAG_S + 1)
    return got


@pytest.mark.parametrize("limit", [1, 250, 1000])
@pytest.mark.parametrize("first", range(3, 8))
def test_a_link_that_skips_still_gets_the_sound_in_portions_and_counts_one_skip(limit: int, first: int) -> None:
    frames = with_sound()
    log = log_of(*frames)
    link = link_at(at(first))
    got = sent_on(link, Feed(log, LAG_S, 0), limit)
    assert [f for f in got if not f.config] == [
        f for f in frames if f.offset >= at(41) or (f.kind == Kind.AUDIO and f.offset >= at(first))
    ]
    assert link.skips == 1 and link.next == log.head


@pytest.mark.parametrize("first", range(3, 8))
def test_a_skip_counts_also_if_the_connection_took_nothing_at_first(first: int) -> None:
    link, feed = link_at(at(first)), Feed(log_of(*with_sound()), LAG_S, 0)
    assert feed.place(link, LAG_S + 1) == feed.place(link, LAG_S + 2)
    sent_on(link, feed, 250)
    assert link.skips == 1


def test_a_skip_that_was_not_sent_in_time_is_decided_anew() -> None:
    link, log = link_at(at(5)), log_of(*gops(20), max_bytes=20_000)
    feed = Feed(log, LAG_S, 0)
    first = feed.place(link, LAG_S + 1)
    extend(log, *gops(200, size=1000)[21:])
    again = feed.place(link, LAG_S + 2)
    assert first and again and first.offset < log.tail <= again.offset


def test_a_link_comes_to_its_keyframe_however_long_the_sound_before_it_took() -> None:
    frames = with_sound()
    link, now = link_at(at(5)), LAG_S + 1
    feed = Feed(log_of(*frames), LAG_S, 0)
    got: list[Frame] = []
    while (place := feed.place(link, now)) and (pack := feed.read(place, 100, link.pictures_at)):
        got += frames_of(pack)
        link.advance(pack, now)
        now += LAG_S / 4
        if link.next == at(41):
            feed.log.append(video(61, keyframe=True))  # type: ignore[attr-defined]
            feed.note(now)
    assert video(41, keyframe=True) in got


def test_of_much_sound_a_link_that_skips_gets_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.relay.feed.SOUND_BYTES", 250)
    frames = with_sound()
    got = sent_on(link_at(at(5)), Feed(log_of(*frames), LAG_S, 0), 1000)
    sound = [f for f in frames if f.kind == Kind.AUDIO and f.offset < at(41)]
    assert [f for f in got if f.offset < at(41)] == [header(0), *sound[-2:]]


def test_a_link_that_skips_gets_headers_that_changed_meanwhile_with_the_sound() -> None:
    frames = with_sound()
    frames[30] = header(30)
    link = link_at(at(5))
    got = sent_on(link, Feed(log_of(*frames), LAG_S, 0), 250)
    assert header(30) in got and got == sorted(got)


def test_a_newcomer_gets_no_sound_from_before_the_keyframe() -> None:
    log = log_of(header(0), video(1, True), video(2)._replace(kind=Kind.AUDIO), video(3, True))
    joining = Link("follower", STREAM, 1, None, 0, 1 << 20, 0, 0)
    assert Feed(log, LAG_S, 0).place(joining, 10) == Entry(at(3), (header(0),))
