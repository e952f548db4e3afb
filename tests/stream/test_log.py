from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from mesh.errors import MediaError
from mesh.media import codec
from mesh.media.frame import EPOCH_SHIFT, Entry, Frame, Kind, Position, Readable, Span
from mesh.stream.log import MAX_HEADERS, OVERHEAD, REPEAT_MS, START, VIDEO_GONE_MS, Budget, Epoch, StreamLog
from tests.stream.frames import AAC_HEADER, AVC_HEADER, METADATA, begun, extend, header, keyframe, picture, roomy, sound

ALL = 1 << 40
"""A limit that no read reaches."""
FIRST = 1 << EPOCH_SHIFT


def held(log: StreamLog) -> list[Frame]:
    """Every frame that it holds: nothing at or beyond the tail is missing."""
    return list(log.read(log.tail, ALL).frames)


def cost(frames: list[Frame]) -> int:
    return sum(len(frame.payload) + OVERHEAD for frame in frames)


# The property: any interleaving, against a list


class Row(NamedTuple):
    """A frame as the model keeps it: with what was in force, and whether a decoder can start there."""

    frame: Frame
    headers: tuple[Frame, ...]
    entry: bool


class Model:
    """What a log would be without bounds: a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.clock = 0
        self.epoch = 0

    def headers(self) -> tuple[Frame, ...]:
        """The newest header of each slot in this epoch, oldest first."""
        newest = {}
        for frame in self.frames():
            if frame.epoch == self.epoch and frame.config:
                slot = codec.look(frame.kind, frame.payload).slot(frame.kind)
                newest[slot] = frame
        return tuple(sorted(newest.values()))

    def can_start(self, frame: Frame) -> bool:
        video = [past.dts for past in self.frames() if past.epoch == self.epoch and past.kind == Kind.VIDEO]
        alone = not video or frame.dts - video[-1] > VIDEO_GONE_MS
        return not frame.config and (frame.keyframe or (frame.kind == Kind.AUDIO and alone))

    def frames(self) -> list[Frame]:
        return [row.frame for row in self.rows]

    def append(self, frame: Frame) -> None:
        self.rows.append(Row(frame, self.headers(), self.can_start(frame)))


class Reader:
    """One reader: an offset, and that of the last frame it got."""

    def __init__(self, log: StreamLog) -> None:
        self.log = log
        self.offset = START
        self.last = START


FORMS = ["key", "key", "inter", "inter", "inter", "sound", "sound", "avc", "avc", "aac", "metadata", "text"]
CONFIGS = {"avc": AVC_HEADER, "aac": AAC_HEADER, "metadata": METADATA}


class Logs(RuleBasedStateMachine):
    """Logs under one budget, whatever is written to them, and whoever reads."""

    readers: Bundle[Reader] = Bundle("readers")

    @initialize(
        count=st.integers(1, 4),
        seconds=st.sampled_from([0.1, 1, 10]),
        max_bytes=st.sampled_from([1500, 6000, 30_000, 1 << 20]),
        total=st.sampled_from([4000, 12_000, 40_000, 1 << 22]),
    )
    def start(self, count: int, seconds: float, max_bytes: int, total: int) -> None:
        self.window_ms, self.max_bytes = int(seconds * 1000), max_bytes
        self.budget = Budget(total)
        self.logs = [StreamLog(f"live/{number}", seconds, max_bytes, self.budget) for number in range(count)]
        self.models = {log: Model() for log in self.logs}
        self.bells = dict.fromkeys(self.logs, 0)
        for log in self.logs:
            log.on_append = lambda log=log: self.ring(log)
            self.begin(self.logs.index(log), 1)

    def ring(self, log: StreamLog) -> None:
        self.bells[log] += 1

    @rule(number=st.integers(0, 3), more=st.integers(1, 3))
    def begin(self, number: int, more: int) -> None:
        log = self.logs[number % len(self.logs)]
        model = self.models[log]
        model.epoch += more
        log.begin(model.epoch, "n1")

    @rule(
        number=st.integers(0, 3),
        form=st.sampled_from(FORMS),
        step=st.sampled_from([0, 1, 20, 40, 40, 400, VIDEO_GONE_MS + 1]),
        gap=st.sampled_from([0, 0, 0, 1, 7]),
        size=st.integers(0, 2500),
    )
    def write(self, number: int, form: str, step: int, gap: int, size: int) -> None:
        log = self.logs[number % len(self.logs)]
        model = self.models[log]
        model.clock += step
        offset, dts = log.head + gap, model.clock
        if form in CONFIGS:
            frame = header(offset, CONFIGS[form] + bytes(size // 10), dts)
        elif form == "text":
            frame = Frame(offset, Kind.META, dts, 0, False, False, b"\x02\x00\x06onText" + bytes(size))
        else:
            frame = {"key": keyframe, "inter": picture, "sound": sound}[form](offset, dts, size)
        log.append(frame)
        model.append(frame)

    @rule(target=readers, number=st.integers(0, 3))
    def join(self, number: int) -> Reader:
        return Reader(self.logs[number % len(self.logs)])

    @rule(reader=readers, limit=st.integers(1, 5000))
    def read(self, reader: Reader, limit: int) -> None:
        log, model = reader.log, self.models[reader.log]
        tail, entry = log.tail, log.entry
        span = log.read(reader.offset, limit)
        if reader.offset >= tail:
            assert (span.start, span.headers) == (reader.offset, ())
        elif entry is None:
            assert span == Span(reader.offset, (), (), reader.offset)
            return
        else:
            row = next(row for row in model.rows if row.frame.offset == span.start)
            assert row.entry
            assert span.headers == row.headers
            assert (entry.offset, span.frames[0]) == (span.start, row.frame)
        following = [frame for frame in model.frames() if frame.offset >= span.start]
        assert list(span.frames) == following[: len(span.frames)]
        assert span.frames or not following
        sizes = [len(frame.payload) for frame in span.frames]
        assert sum(sizes[:-1]) < limit
        assert sum(sizes) >= limit or len(span.frames) == len(following)
        assert span.end == (span.frames[-1].offset + 1 if span.frames else max(span.start, log.head))
        assert all(frame.offset > reader.last for frame in span.frames)
        reader.offset = span.end
        reader.last = span.end - 1

    @invariant()
    def the_size_is_exact_and_within_its_bounds(self) -> None:
        for log in self.logs:
            assert log.size == cost(held(log)) <= self.max_bytes
        assert self.budget.used == sum(log.size for log in self.logs) <= self.budget.limit

    @invariant()
    def what_is_held_is_the_newest_part_and_the_tail_is_its_edge(self) -> None:
        for log in self.logs:
            frames, rows = held(log), self.models[log].frames()
            assert frames == rows[len(rows) - len(frames) :]
            dropped = rows[: len(rows) - len(frames)]
            assert all(frame.offset < log.tail for frame in dropped)
            assert log.tail <= log.head

    @invariant()
    def the_entry_is_the_newest_place_to_start_that_is_held(self) -> None:
        for log in self.logs:
            rows = [row for row in self.models[log].rows if row.entry and row.frame.offset >= log.tail]
            assert log.entry == (Entry(rows[-1].frame.offset, rows[-1].headers) if rows else None)
            assert log.headers == self.models[log].headers()

    @invariant()
    def a_gop_goes_when_all_of_it_is_older_than_the_window(self) -> None:
        for log in self.logs:
            entries = [row.frame for row in self.models[log].rows if row.entry and row.frame.offset >= log.tail]
            if entries:
                oldest = entries[-1].dts - self.window_ms
                assert len(entries) == 1 or entries[1].dts >= oldest
                front = [frame for frame in held(log) if frame.offset < entries[0].offset]
                assert not front or front[-1].dts >= oldest

    @invariant()
    def the_bell_rang_for_each_frame(self) -> None:
        for log in self.logs:
            assert self.bells[log] == len(self.models[log].rows)


TestLogs = Logs.TestCase
TestLogs.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)


FORM = st.sampled_from(["key", "inter", "inter", "sound", "sound"])


@given(st.lists(st.tuples(FORM, st.sampled_from([0, 20, 40, 500, 3000])), max_size=60))
def test_within_its_bytes_a_log_drops_nothing_but_whole_gops_that_are_old(steps):
    log, clock = begun(roomy(seconds=2)), 0
    written: list[Frame] = held(log)
    entries: list[Frame] = []
    for form, step in steps:
        clock += step
        frame = {"key": keyframe, "inter": picture, "sound": sound}[form](log.head, clock)
        log.append(frame)
        written.append(frame)
        if log.entry and log.entry.offset == frame.offset:
            entries.append(frame)
    if not entries:
        assert held(log) == written
        return
    oldest = entries[-1].dts - 2000
    begins = next(
        place for place, _ in enumerate(entries) if place + 1 == len(entries) or entries[place + 1].dts >= oldest
    )
    front = [frame for frame in written if frame.offset < entries[0].offset]
    whole = begins == 0 and (not front or front[-1].dts >= oldest)
    assert held(log) == (written if whole else [frame for frame in written if frame.offset >= entries[begins].offset])


# What single rules say


def test_a_log_is_readable():
    log: Readable = roomy()
    assert (log.head, log.tail, log.entry) == (START, START, None)
    assert log.read(START, 1) == Span(START, (), [], START)


def test_a_player_starts_at_the_newest_keyframe_with_the_headers_in_force_there():
    log = begun(roomy())
    headers = tuple(held(log))
    frames = extend(log, 2.5)
    newest = [frame for frame in frames if frame.keyframe][-1]
    span = log.read(START, ALL)
    assert span.headers == headers
    assert span.frames[0] == newest
    assert span.end == log.head


def test_a_player_waits_while_there_is_no_entry():
    log = begun(roomy())
    log.append(picture(log.head, 0))
    assert log.read(START, ALL) == Span(START, (), (), START)
    log.append(keyframe(log.head, 40))
    assert log.read(START, ALL).frames == [keyframe(log.head - 1, 40)]


def test_a_header_that_changes_within_a_gop_is_in_force_only_after_it():
    log = begun(roomy(), headers=(AVC_HEADER,))
    log.append(keyframe(log.head, 0))
    entry = log.entry
    log.append(header(log.head, AVC_HEADER + b"new"))
    assert log.entry == entry
    assert log.headers == (header(FIRST + 2, AVC_HEADER + b"new"),)
    log.append(keyframe(log.head, 40))
    assert log.entry == Entry(FIRST + 3, (header(FIRST + 2, AVC_HEADER + b"new"),))
    span = log.read(entry.offset, ALL)
    assert [frame.config for frame in span.frames] == [False, True, False]


def test_headers_outlive_the_frames_they_came_with():
    log = begun(roomy(seconds=1), headers=(METADATA, AVC_HEADER, AAC_HEADER))
    headers = held(log)
    extend(log, 5)
    assert log.tail > headers[-1].offset
    assert log.entry.headers == tuple(headers)


def test_a_new_epoch_owes_nothing_to_the_headers_of_the_old():
    # Whoever was promised sound by the one before would wait for it for ever.
    log = begun(roomy(), 1)
    extend(log, 1)
    begun(log, 2, headers=(AVC_HEADER,))
    log.append(keyframe(log.head, 2000))
    assert [header.kind for header in log.entry.headers] == [Kind.VIDEO]
    assert log.kinds == {Kind.VIDEO}


def test_before_the_new_epochs_first_keyframe_a_player_starts_in_the_old_with_its_headers():
    log = begun(roomy(), 1)
    extend(log, 1)
    entry = log.entry
    log.begin(2, "n2")
    assert log.entry == entry
    assert log.read(START, ALL).headers == entry.headers


def test_a_reader_goes_from_one_epoch_to_the_next_missing_nothing():
    log = begun(roomy(), 1)
    extend(log, 1)
    old_end = log.head
    log.begin(2, "n2")
    log.append(keyframe(log.head, 2000))
    span = log.read(old_end, ALL)
    assert (span.start, span.headers) == (old_end, ())
    assert span.frames == [keyframe(2 << EPOCH_SHIFT, 2000)]


def test_an_epoch_remembers_the_position_it_continues_after():
    log = begun(roomy(), 3, "n1")
    extend(log, 1)
    end = log.position
    log.begin(7, "n2")
    assert log.epochs == [Epoch(3, "n1", None), Epoch(7, "n2", end)]
    assert end == Position(3, "n1", (3 << EPOCH_SHIFT) + 52)
    assert log.position == Position(7, "n2", 7 << EPOCH_SHIFT)


def test_an_epoch_of_which_no_frame_is_left_is_forgotten():
    # A publisher who comes and goes for a year must not fill the memory.
    log = roomy(seconds=1)
    for number in range(1, 1000):
        begun(log, number)
        extend(log, 0.2)
    assert len(log.epochs) < 10
    assert log.epochs[-1].number == 999
    assert all(frame.epoch >= log.epochs[0].number for frame in held(log))


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_epoch_below_the_newest_is_our_own_mistake(number):
    log = begun(roomy(), 2)
    with pytest.raises(ValueError, match=f"epoch {number} after epoch 2"):
        log.begin(number, "n2")


def test_there_is_no_epoch_zero_for_its_first_offset_is_the_start():
    with pytest.raises(ValueError, match="epoch 0 after epoch 0"):
        roomy().begin(0, "n1")


def test_an_offset_below_the_head_is_our_own_mistake():
    log = begun(roomy())
    with pytest.raises(ValueError, match="below the head"):
        log.append(keyframe(log.head - 1, 0))


def test_a_header_that_cannot_be_read_changes_nothing():
    log = begun(roomy())
    before = (log.head, log.size, log.headers, held(log))
    with pytest.raises(MediaError):
        log.append(Frame(log.head, Kind.VIDEO, 0, 0, False, True, b"\x90"))
    assert (log.head, log.size, log.headers, held(log)) == before


def test_headers_that_together_outgrow_their_bound_are_refused():
    log = begun(roomy())
    big = METADATA + bytes(MAX_HEADERS - 100)
    log.append(header(log.head, big, 0))
    log.append(header(log.head, big, 0))
    before = log.headers
    with pytest.raises(MediaError, match="in force, expected at most"):
        log.append(header(log.head, AVC_HEADER + bytes(200), 0))
    assert log.headers == before


HOLDS = {
    "the log end": (Position(2, "n2", (2 << EPOCH_SHIFT) + 4), True),
    "beyond it": (Position(2, "n2", (2 << EPOCH_SHIFT) + 5), False),
    "the beginning of an epoch": (Position(2, "n2", 2 << EPOCH_SHIFT), True),
    "the end of the epoch before": (Position(1, "n1", FIRST + 3), True),
    "before the tail": (Position(1, "n1", FIRST - 1), False),
    "another leader's epoch": (Position(2, "n3", (2 << EPOCH_SHIFT) + 1), False),
    "an epoch that is not known": (Position(3, "n1", (3 << EPOCH_SHIFT) + 1), False),
}


@pytest.mark.parametrize("name", HOLDS)
def test_a_position_is_held_if_a_reader_can_go_on_there(name):
    log = begun(roomy(), 1, "n1")
    log.append(keyframe(log.head, 0))
    begun(log, 2, "n2")
    log.append(keyframe(log.head, 40))
    log.append(picture(log.head, 80))
    position, expected = HOLDS[name]
    assert log.holds(position) is expected


def test_a_position_that_fell_off_the_tail_is_not_held():
    log = begun(roomy(seconds=1))
    early = log.position
    extend(log, 5)
    assert not log.holds(early)
    assert log.holds(Position(1, "n1", log.tail))


def test_a_position_within_what_a_relay_skipped_is_not_held():
    log = begun(roomy())
    log.append(keyframe(log.head, 0))
    before = log.position
    log.append(keyframe(log.head + 500, 40))
    assert not log.holds(before)
    assert log.holds(before._replace(offset=before.offset + 500))


def test_the_end_of_an_epoch_is_held_as_long_as_the_next_one_is_whole():
    log = begun(roomy())
    log.append(keyframe(log.head, 0))
    end = log.position
    log.begin(2, "n2")
    log.append(keyframe(log.head, 40))
    assert log.holds(end)
    assert log.holds(end._replace(offset=end.offset + 1)), "the reader has more of that epoch than this log"


def test_the_end_of_an_epoch_is_not_held_if_the_next_one_lacks_its_beginning():
    log = begun(roomy())
    log.append(keyframe(log.head, 0))
    end = log.position
    log.begin(2, "n2")
    log.append(keyframe(log.head + 7, 40))
    assert not log.holds(end)


# Streams that are not as they should be


def test_an_endless_gop_loses_its_front_and_joiners_wait_for_the_next_keyframe():
    log = begun(StreamLog("live/a", 10, 20_000, Budget(1 << 30)))
    log.append(keyframe(log.head, 0))
    inside = log.head
    for number in range(1, 60):
        log.append(picture(log.head, 40 * number, 500))
        span = log.read(inside, ALL)
        assert [frame.dts for frame in span.frames] == [40 * number]
        inside = span.end
    assert log.entry is None
    assert log.read(START, ALL).frames == ()
    assert 20_000 // 2 < log.size <= 20_000
    log.append(keyframe(log.head, 40 * 60))
    assert log.read(START, ALL).frames[0].dts == 40 * 60


def test_a_frame_larger_than_the_log_goes_past_it():
    log = begun(StreamLog("live/a", 10, 20_000, Budget(1 << 30)))
    extend(log, 0.2)
    log.append(keyframe(log.head, 400, 20_000))
    assert (log.size, log.entry, held(log)) == (0, None, [])
    assert log.read(START, ALL) == Span(START, (), (), START)
    assert log.tail == log.head
    log.append(keyframe(log.head, 440, 500))
    assert log.read(START, ALL).frames[0].dts == 440


def test_without_video_every_sound_is_an_entry():
    log = begun(roomy(), headers=(AAC_HEADER,))
    for number in range(100):
        log.append(sound(log.head, 21 * number))
        assert log.entry.offset == log.head - 1
    assert log.entry.headers == (header(FIRST, AAC_HEADER),)


def test_sound_without_video_is_held_for_the_window():
    log = begun(roomy(seconds=2), headers=(AAC_HEADER,))
    for number in range(1000):
        log.append(sound(log.head, 20 * number))
    assert [frame.dts for frame in held(log)][:2] == [20 * 999 - 2020, 20 * 999 - 2000]


@pytest.mark.parametrize("seconds", [0.1, 1, 10, 60])
def test_however_short_the_window_no_one_starts_between_two_pictures(seconds):
    # A sound that comes 300 ms after the last picture of a slow camera is no place to start.
    log = begun(roomy(seconds=seconds))
    log.append(keyframe(log.head, 0))
    first = log.entry
    for number in range(1, 10):
        log.append(sound(log.head, 300 * number))
        assert log.entry == first
        log.append(picture(log.head, 300 * number))


def test_when_video_stops_sound_becomes_an_entry_and_a_keyframe_takes_over_again():
    log = begun(roomy())
    log.append(keyframe(log.head, 0))
    log.append(sound(log.head, VIDEO_GONE_MS))
    assert log.entry.offset == log.head - 2
    log.append(sound(log.head, VIDEO_GONE_MS + 1))
    assert log.entry.offset == log.head - 1
    log.append(keyframe(log.head, VIDEO_GONE_MS + 20))
    log.append(sound(log.head, VIDEO_GONE_MS + 21))
    assert log.entry.offset == log.head - 2


def test_a_sound_header_is_no_entry():
    log = begun(roomy(), headers=(AAC_HEADER,))
    assert log.entry is None


def test_a_reader_far_behind_jumps_to_the_newest_keyframe_not_to_the_oldest():
    log = begun(roomy(seconds=2))
    extend(log, 10)
    span = log.read(FIRST + 10, ALL)
    assert span.start == log.entry.offset
    assert span.headers == log.entry.headers
    assert span.start > log.tail


def test_one_read_gives_at_least_one_frame_and_stops_at_the_limit():
    log = begun(roomy())
    frames = extend(log, 1, size=1000)
    offset = frames[0].offset
    assert list(log.read(offset, 1).frames) == frames[:1]
    assert list(log.read(offset, 1000).frames) == frames[:1]
    assert list(log.read(offset, 1001).frames) == frames[:2]
    assert list(log.read(offset, 1101).frames) == frames[:3]


def test_a_reader_of_the_future_waits():
    log = begun(roomy())
    extend(log, 1)
    assert log.read(log.head + 100, ALL) == Span(log.head + 100, (), [], log.head + 100)


# Many logs


def test_hundreds_of_logs_stay_below_the_nodes_total_and_the_largest_give():
    budget = Budget(8_000_000)
    logs = [begun(StreamLog(f"live/{number}", 10, 1 << 20, budget)) for number in range(300)]
    small, large = logs[:200], logs[200:]
    for _ in range(20):
        for log in small:
            extend(log, 0.04, gop=1, size=100)
        for log in large:
            extend(log, 0.08, gop=1, size=5000)
        assert budget.used == sum(log.size for log in logs) <= budget.limit
    assert budget.used > budget.limit * 3 // 4
    assert all(len(held(log)) == 2 + 2 * 20 for log in small)
    assert all(log.entry for log in logs)


def test_a_log_that_is_closed_counts_no_more_but_can_be_read():
    budget = Budget(100_000)
    log, other = [begun(StreamLog(key, 10, 50_000, budget)) for key in ("live/a", "live/b")]
    extend(log, 1)
    frames = held(log)
    log.close()
    assert budget.used == other.size
    assert held(log) == frames


def test_a_frame_that_comes_after_closing_costs_nobody_else():
    # A publisher may have a few more messages in hand when its stream is dropped.
    budget = Budget(100_000)
    log, other = [begun(StreamLog(key, 10, 50_000, budget)) for key in ("live/a", "live/b")]
    extend(log, 1)
    log.close()
    extend(log, 10)
    log.close()
    assert budget.used == other.size
    assert log.size <= 50_000


def test_an_empty_log_has_nothing_to_give():
    assert not roomy().give()
    log = begun(roomy())
    assert log.give()
    while log.size:
        assert log.give()
    assert not log.give()


def test_what_an_epoch_repeats_of_the_one_before_is_left_out() -> None:
    log = begun(roomy(), headers=())
    frames = [keyframe(0, 0), sound(1, 5), picture(2, 40), sound(3, 26), sound(4, 47), picture(5, 80), picture(6, 40)]
    for frame in frames[:4]:
        log.append(frame._replace(offset=log.head))
    before = log.head
    log.begin(2, "n2")
    first = log.head
    for place, frame in enumerate([header(0, dts=40), *frames[2:]]):
        log.append(frame._replace(offset=first + place))
    assert [frame.offset - first for frame in log.read(before, 1 << 20).frames] == [0, 3, 4, 5]
    assert log.holds(Position(1, "n1", before)) and log.head == first + 6


def test_what_looks_like_a_frame_of_the_epoch_before_much_later_is_another() -> None:
    log = begun(roomy(), headers=())
    silence = sound(0, 0)
    log.append(silence._replace(offset=log.head))
    log.begin(2, "n2")
    for dts in (0, 21, REPEAT_MS + 1, 0):
        log.append(silence._replace(offset=log.head, dts=dts))
    assert [frame.dts for frame in log.read(2 << EPOCH_SHIFT, 1 << 20).frames] == [21, REPEAT_MS + 1, 0]
