from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import MediaError
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.stream.clock import APART_MS, JUMP_MS, WRAP
from mesh.stream.leader import Leader
from mesh.stream.log import StreamLog
from tests.media.clip import clip, tags
from tests.stream.frames import AAC_HEADER, AVC_HEADER, METADATA, begun, extend, roomy

KEY, INTER, SOUND = bytes.fromhex("17010000000001"), bytes.fromhex("27010000000001"), bytes.fromhex("af0121")
TEXT = b"\x02\x00\x0aonTextData\x05"
MESSAGES = {
    "K": (Kind.VIDEO, KEY),
    "V": (Kind.VIDEO, INTER),
    "A": (Kind.AUDIO, SOUND),
    "v": (Kind.VIDEO, AVC_HEADER),
    "a": (Kind.AUDIO, AAC_HEADER),
    "m": (Kind.META, METADATA),
    "t": (Kind.META, TEXT),
}

TIMES = {
    # what the publisher sends, and the dts that each frame gets
    "a publisher's spacing is kept": ("K0 A3 V40 A26 V80 A49", "K0 A3 V40 A26 V80 A49"),
    "its beginning too": ("K5000 A5003 V5040", "K5000 A5003 V5040"),
    "wrap": ("K4294967280 A4294967290 V24 A17", f"K{WRAP - 16} A{WRAP - 6} V{WRAP + 24} A{WRAP + 17}"),
    "wrap, sound a little behind": ("K10 A4294967290 V50 A20", "K10 A0 V50 A20"),
    "equal times are spread": ("K0 V0 V0 V40", "K0 V1 V2 V40"),
    "jitter is moved up": ("K0 V40 V30 V80", "K0 V40 V41 V80"),
    "sound far behind the picture": ("K3000 A1500 V3040 A1521", "K3000 A1500 V3040 A1521"),
    "sound far ahead of the picture": ("K0 A2000 V40 A2021 V80 A2043", "K0 A2000 V40 A2021 V80 A2043"),
    "sound on a clock of its own": ("K9000000 A0 V9000040 A21", "K9000000 A9000001 V9000040 A9000022"),
    "pictures on a clock of their own": ("A0 K9000000 A21 V9000040", "A0 K1 A21 V41"),
    "a header with timestamp 0": ("K5000 A5010 v0 a0 m0 V5040 A5031", "K5000 A5010 v5000 a5010 m5010 V5040 A5031"),
    "a header from far ahead": ("K5000 v3000000000 V5040", "K5000 v5000 V5040"),
    "headers first": ("m0 v0 a0 K5000 A5010", "m0 v0 a0 K5000 A5010"),
    "headers first, then frames at 0": ("m5000 v5000 a5000 K0 A10", "m0 v0 a0 K0 A10"),
    "script data with timestamp 0": ("K5000 A5010 t0 V5040 t5050", "K5000 A5010 t5010 V5040 t5040"),
    "a pause": ("K0 A10 +60000 V60000 A60010", "K0 A10 V60000 A60010"),
    "a pause that is told longer than it was": ("K0 A10 +3000 V60000 A60010", "K0 A10 V3010 A3020"),
    "a pause that is not told": ("K0 A10 +60000 V40 A31", "K0 A10 V40 A31"),
    "a clock that is set right": ("K0 A10 +40 V9000000 A9000010 V9000040", "K0 A10 V50 A60 V90"),
    "a pause that sound notices late": ("K0 A10 +60000 V60000 A33 A60010", "K0 A10 V60000 A60001 A60010"),
    "restart": ("K60000 A60010 K0 A10 V40", "K60000 A60010 K60011 A60021 V60051"),
    "restart, sound first": ("K60000 A60010 A0 K10 A21", "K60000 A60010 A60011 K60021 A60032"),
    "restart, the last sound comes late": ("K60000 A59970 K0 A59991 A10", "K60000 A59970 K60001 A59991 A60011"),
    "restart of a short loop": ("K3000 A2990 K0 A3011 A4", "K3000 A2990 K3001 A3011 A3012"),
    "restart with sound far behind": (
        "K4000 A2500 V4040 A2521 K1500 A2542 A0 V1540",
        "K4000 A2500 V4040 A2521 K4041 A2542 A2543 V4081",
    ),
    "restart after a pause": ("K60000 A60010 +700 K0 A10 V40", "K60000 A60010 K60710 A60720 V60750"),
    "restart, twice": ("K9000 A9000 K0 A0 K5000 A5000 K0 A0", "K9000 A9000 K9001 A9001 K9002 A9002 K9003 A9003"),
    "restart, sound pauses instead": ("K60000 A60010 K0 +500000 A500000", "K60000 A60010 K60011 A500000"),
    "pictures that are late, after a pause": (
        "A300 K0 A340 V40 +2000 A2340 V2040 A2380 V2080",
        "A300 K0 A340 V40 A2340 V2040 A2380 V2080",
    ),
    "slides that are late": (
        "K0 A300 A1300 A2300 V2000 A3300 A4300 V4000",
        "K0 A300 A1300 A2300 V2000 A3300 A4300 V4000",
    ),
    "one sound with timestamp 0": ("K5000 A5010 A0 V5040 A5052", "K5000 A5010 A5011 V5040 A5052"),
    "one sound with timestamp 0, soon": ("K3000 A3010 A0 V3040 A3052", "K3000 A3010 A3011 V3040 A3052"),
    "one picture from far ahead": ("K0 A0 V9000000 A21 V40 A42", "K0 A0 V1 A21 V40 A42"),
    "pictures before the first keyframe": ("V0 A5 V40 A26 K80 V120", "A5 A26 K80 V120"),
    "restart before the first keyframe": ("V60000 K0 V40", "K0 V40"),
    "nothing but sound": ("A0 A21 A43", "A0 A21 A43"),
}
RESUMED = {
    # an epoch that ended at K1000 A1010, away for 500 ms
    "the time that passed stays as the gap": ("K0 A5 V40", "K1510 A1515 V1550"),
    "sound first": ("A70000 K70010 A70021", "A1510 K1520 A1531"),
    "sound a little behind": ("K20 A0 V60", "K1510 A1490 V1550"),
    "frames before the keyframe are dropped and count as time": ("V0 V40 K80 A85", "K1590 A1595"),
    "across a wrap": ("V4294967280 K24 A30", "K1550 A1556"),
    "headers": ("m0 v0 a0 K0 A5", "m1010 v1000 a1010 K1510 A1515"),
}


def write(leader: Leader, messages: str) -> None:
    """Write these; "+60" is 60 ms in which nothing comes."""
    now = 0.0
    for word in messages.split():
        if word[0] == "+":
            now += int(word) / 1000
        else:
            kind, payload = MESSAGES[word[0]]
            leader.write(kind, int(word[1:]), payload, now)


def shown(frames: Iterable[Frame]) -> str:
    letters = {message: letter for letter, message in MESSAGES.items()}
    return " ".join(f"{letters[frame.kind, frame.payload]}{frame.dts}" for frame in frames)


def frames(log: StreamLog, epoch: int = 1) -> list[Frame]:
    return [frame for frame in log.read(log.tail, 1 << 40).frames if frame.epoch == epoch]


@pytest.mark.parametrize("name", TIMES)
def test_a_publishers_clock_is_laid_onto_the_logs(name):
    sent, expected = TIMES[name]
    log = roomy(seconds=86400)
    write(Leader(log, 1, "n1"), sent)
    assert shown(frames(log)) == expected


@pytest.mark.parametrize("name", RESUMED)
def test_a_new_epoch_goes_on_where_the_one_before_ended(name):
    sent, expected = RESUMED[name]
    log = roomy(seconds=86400)
    write(Leader(log, 1, "n1"), "m0 K1000 A1010")
    write(Leader(log, 2, "n2", log.end(500)), sent)
    assert shown(frames(log, 2)) == expected


def test_a_replica_that_becomes_leader_goes_on_from_what_it_fetched():
    log = begun(roomy())
    extend(log, 2)
    write(Leader(log, 2, "n2", log.end(0)), "K0 A0")
    assert shown(frames(log, 2)) == "K2001 A2001"


def test_without_a_pause_the_first_frame_still_comes_after_the_last_of_any_kind():
    log = roomy()
    write(Leader(log, 1, "n1"), "K1000 A1010")
    write(Leader(log, 2, "n1", log.end(0)), "K0 A5")
    assert shown(frames(log, 2)) == "K1011 A1016"


def test_a_publisher_goes_on_in_another_log_without_a_break():
    own, log = roomy("own"), begun(roomy(), headers=())
    extend(log, 2)
    leader = Leader(own, 1, "n2")
    write(leader, "m0 v0 a0 K0 A5 V40 A26")
    leader.go_on(log, 2, "n2", 2000, frames(own)[5:])
    write(leader, "V80 A47 K120")
    assert shown(frames(log, 2)) == "m2040 v2040 a2026 V2040 A2026 V2080 A2047 K2120"
    assert log.headers == tuple(frames(log, 2)[:3]) and shown(frames(own)) == "m0 v0 a0 K0 A5 V40 A26"


def test_a_publisher_begins_in_another_log_at_his_next_keyframe_with_his_headers():
    own, log = roomy("own"), begun(roomy(), headers=())
    extend(log, 2)
    leader = Leader(own, 1, "n2")
    write(leader, "v0 K0 V40")
    leader.begin(log, 2, "n2", log.end(300))
    write(leader, "V80 K120 V160")
    assert shown(frames(log, 2)) == "v1960 K2300 V2340"


def test_a_log_ends_where_its_leader_pauses_and_nothing_is_lost_if_he_goes_on():
    log = roomy()
    leader = Leader(log, 1, "n1")
    leader.write(Kind.VIDEO, 0, KEY, 5.0)
    leader.pause(6.0)
    for now in (5.1, 5.9):
        leader.write(Kind.VIDEO, round(now * 100), INTER, now)
    assert shown(frames(log)) == "K0"
    leader.write(Kind.VIDEO, 600, INTER, 6.0)
    leader.write(Kind.VIDEO, 610, INTER, 6.1)
    assert shown(frames(log)) == "K0 V510 V590 V600 V610"
    assert [frame.offset for frame in frames(log)] == list(range(frames(log)[0].offset, log.head))


def test_what_comes_while_he_pauses_is_not_part_of_another_epoch():
    log = roomy()
    leader = Leader(log, 1, "n1")
    write(leader, "K0")
    leader.pause(1e9)
    write(leader, "V40")
    leader.go_on(log, 2, "n1", 1000)
    write(leader, "V80")
    assert shown(frames(log)) + " " + shown(frames(log, 2)) == "K0 V1080"


def test_headers_that_came_while_he_paused_are_those_of_what_follows():
    own, log = roomy("own"), roomy()
    leader = Leader(log, 1, "n1")
    leader.pause(1e9)
    write(leader, "v0 a0 K0")
    leader.go_on(own, 1, "n1")
    write(leader, "V40")
    assert [header.payload for header in own.headers] == [AVC_HEADER, AAC_HEADER] and shown(frames(own)) == "v0 a0 V40"


def test_who_resumes_before_he_goes_on_loses_nothing():
    log = roomy()
    leader = Leader(log, 1, "n1")
    leader.pause(1e9)
    write(leader, "K0 V40")
    leader.resume()
    leader.go_on(log, 2, "n1", 1000)
    write(leader, "V80")
    assert shown(frames(log)) + " " + shown(frames(log, 2)) == "K0 V40 V1080"


@pytest.mark.parametrize(("before", "expected"), [("", "K501 V541"), ("K0 V1000", "K1601 V1641")])
def test_who_goes_on_before_his_first_frame_is_shifted_too(before, expected):
    log = roomy()
    write(Leader(log, 1, "n1"), before)
    leader = Leader(log, 2, "n2", log.end(100))
    leader.go_on(log, 3, "n2", 501)
    write(leader, "K0 V40")
    assert shown(frames(log, 3)) == expected


def test_frames_are_numbered_from_the_epochs_first_offset_without_a_gap():
    log = roomy()
    leader = Leader(log, 7, "n1")
    write(leader, "m0 v0 a0 V0 V40 K80 A80 V120")
    assert [frame.offset for frame in frames(log, 7)] == [(7 << EPOCH_SHIFT) + number for number in range(6)]
    assert (log.epochs[-1].number, log.epochs[-1].leader) == (7, "n1")


def test_what_is_written_is_counted():
    leader = Leader(roomy(), 1, "n1")
    write(leader, "v0 K0 A0")
    assert (leader.frames, leader.bytes) == (3, len(AVC_HEADER) + len(KEY) + len(SOUND))
    write(leader, "A21")
    assert (leader.frames, leader.bytes) == (4, len(AVC_HEADER) + len(KEY) + 2 * len(SOUND))


def test_an_empty_message_is_no_frame():
    log = roomy()
    leader = Leader(log, 1, "n1")
    for kind in Kind:
        leader.write(kind, 0, b"", 0)
    assert (leader.frames, frames(log)) == (0, [])


def test_a_payload_that_cannot_be_read_changes_nothing():
    log = roomy()
    leader = Leader(log, 1, "n1")
    write(leader, "K0 A5")
    with pytest.raises(MediaError):
        leader.write(Kind.VIDEO, 9_000_000, b"\x27", 0)
    write(leader, "V40")
    assert shown(frames(log)) == "K0 A5 V40"


def test_frames_carry_what_the_codec_tells():
    log = roomy()
    Leader(log, 1, "n1").write(Kind.VIDEO, 0, bytes.fromhex("17 01 000050 00"), 0)
    (frame,) = frames(log)
    assert (frame.keyframe, frame.config, frame.cts) == (True, False, 80)


def test_what_ffmpeg_encodes_keeps_its_times():
    log = roomy()
    leader = Leader(log, 1, "n1")
    sent = tags(clip())
    for tag in sent:
        leader.write(*tag, 0)
    media = [tag for tag in sent if tag.kind != Kind.META][
        :-1
    ]  # the last is the end of the sequence, at no time of its own
    assert [(f.kind, f.dts, f.payload) for f in frames(log) if f.kind != Kind.META][:-1] == media


STEPS = st.lists(st.tuples(st.sampled_from("KVVA"), st.integers(1, JUMP_MS)), min_size=1, max_size=40)


@given(st.integers(0, WRAP - 1), st.integers(-JUMP_MS, JUMP_MS), STEPS)
def test_the_spacing_is_kept_exactly_across_any_wrap(start, skew, steps):
    log = roomy(seconds=86400)
    leader = Leader(log, 1, "n1")
    clock = {"V": start, "A": start + skew}
    sent = []
    leader.write(Kind.VIDEO, start, KEY, 0)
    for letter, step in steps:
        track = "A" if letter == "A" else "V"
        if abs(clock[track] + step - max(clock.values())) > JUMP_MS:
            continue
        clock[track] += step
        if clock[track] < 0:
            continue
        kind, payload = MESSAGES[letter]
        leader.write(kind, clock[track] % WRAP, payload, 0)
        sent.append(clock[track])
    assert [frame.dts for frame in frames(log)][1:] == sent


JUMPS = st.sampled_from([0, 1, 20, 40, 40, 40, 990, -30, -2000, -60_000, 60_000, 1 << 31, (1 << 32) - 5, 123_456_789])


@given(st.lists(st.tuples(st.sampled_from("KVVAAvamt"), JUMPS), max_size=60), st.integers(0, 3))
def test_whatever_a_publisher_sends_times_grow_within_each_kind(steps, restarts):
    log = roomy(seconds=1e9)
    clock = 0
    for epoch in range(1, restarts + 2):
        leader = Leader(log, epoch, "n1", log.end(100))
        for letter, step in steps:
            clock = (clock + step) % WRAP
            kind, payload = MESSAGES[letter]
            leader.write(kind, clock, payload, 0)
    written = log.read(log.tail, 1 << 40).frames
    assert [frame.offset for frame in written] == sorted({frame.offset for frame in written})
    for kind in Kind.AUDIO, Kind.VIDEO:
        times = [frame.dts for frame in written if frame.kind == kind and not frame.config]
        assert times == sorted(set(times))
    newest = 0
    for frame in written:
        assert frame.dts <= newest if frame.config else frame.dts >= 0
        newest = max(newest, frame.dts)
    for epoch in range(1, restarts + 2):
        video = [frame for frame in written if frame.kind == Kind.VIDEO and not frame.config and frame.epoch == epoch]
        assert not video or video[0].keyframe


@settings(deadline=None)
@given(st.lists(st.integers(2000, 10_000), min_size=1, max_size=4), st.integers(0, 30), st.integers(-30, 30))
def test_however_often_a_file_loops_sound_and_picture_stay_in_step(lengths, late, skew):
    # `late`: how long the sound of the old clock goes on to come after the first picture of the new.
    log = roomy(seconds=1e9)
    leader = Leader(log, 1, "n1")
    arrivals, begin = [], 0
    for length in lengths:
        arrivals += [(begin + time, "K", time) for time in range(0, length, 40)]
        arrivals += [(begin + time + late + 0.5, "A", time + skew) for time in range(max(0, -skew), length, 20)]
        begin += length
    for _, letter, time in sorted(arrivals):
        kind, payload = MESSAGES[letter]
        leader.write(kind, time, payload, 0)
    newest = {}
    for frame in frames(log):
        newest[frame.kind] = frame.dts
        if len(newest) == 2:
            assert abs(newest[Kind.VIDEO] - newest[Kind.AUDIO]) < 200
    assert max(newest.values()) < sum(lengths) + 200 * len(lengths) < APART_MS + sum(lengths)
