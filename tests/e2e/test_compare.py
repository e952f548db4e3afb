"""The judge is judged first: what it must find, it finds."""

from collections.abc import Callable

import pytest

from tests.e2e import flv, synthetic
from tests.e2e.compare import compare
from tests.e2e.flv import AUDIO, VIDEO, Tag
from tests.e2e.player import Arrival, Player
from tests.e2e.synthetic import stream

SENT = list(stream(3))
JOINED = SENT[:3] + SENT[75:]  # the headers, and everything from the second keyframe on


def received(tags: list[Tag]) -> Player:
    player = Player("http://nowhere/")
    player.arrivals = [Arrival(tag, place / 25) for place, tag in enumerate(tags)]
    return player


def swapped(tags: list[Tag]) -> list[Tag]:
    return [*tags[:20], tags[21], tags[20], *tags[22:]]


DAMAGES: list[tuple[str, Callable[[list[Tag]], list[Tag]]]] = [
    ("lost", lambda tags: tags[:20] + tags[21:]),
    ("lost", lambda tags: tags[:-1]),
    ("doubled", lambda tags: tags[:20] + tags[19:]),
    ("disordered", swapped),
    ("unknown", lambda tags: [*tags[:20], tags[20]._replace(payload=tags[20].payload[:-1]), *tags[21:]]),
    ("unknown", lambda tags: [tags[0], tags[1]._replace(payload=tags[1].payload + b"\0"), *tags[2:]]),
    ("shifts", lambda tags: [*tags[:20], tags[20]._replace(timestamp=tags[20].timestamp + 1), *tags[21:]]),
]


def test_the_second_keyframe_is_where_it_seems():
    assert JOINED[3].keyframe and JOINED[3].timestamp == 1000


def test_a_player_that_saw_everything_from_a_keyframe_on_is_faithful():
    report = compare(SENT, received(JOINED))
    assert report.faithful, report
    assert report.joined == JOINED[3] and report.received == len(JOINED) - 3


def test_timestamps_may_be_moved_all_together():
    moved = [tag._replace(timestamp=(tag.timestamp - 5000) & 0xFFFFFFFF) for tag in JOINED]
    report = compare(SENT, received(moved))
    assert report.faithful and report.shifts == {(-5000) & 0xFFFFFFFF}


def test_the_longest_step_of_the_timestamps_is_told_and_any_that_goes_back():
    assert compare(SENT, received(JOINED)).longest_step_ms == synthetic.FRAME_MS
    later = [tag._replace(timestamp=tag.timestamp + 500 * (place > 50)) for place, tag in enumerate(JOINED)]
    assert compare(SENT, received(later)).longest_step_ms == synthetic.FRAME_MS + 500
    assert compare(SENT, received([*later, *JOINED[-5:]])).longest_step_ms < 0


@pytest.mark.parametrize("what, damage", DAMAGES)
def test_any_difference_is_found(what, damage):
    report = compare(SENT, received(damage(JOINED)))
    assert not report.faithful
    assert len(getattr(report, what)) > (what == "shifts"), report


def test_a_time_that_does_not_grow_is_moved_up_and_nothing_else():
    stuck = [tag._replace(timestamp=tag.timestamp - 40) if place == 78 else tag for place, tag in enumerate(SENT)]
    moved = [tag._replace(timestamp=tag.timestamp + 1) if tag is stuck[78] else tag for tag in stuck]
    assert stuck[78].kind == VIDEO
    assert compare(stuck, received(moved)).faithful
    assert compare(stuck, received(SENT)).shifts == {0, 39}


def test_repeated_bytes_are_told_apart_by_their_place():
    silence = [Tag(AUDIO, 21 * n, b"\xaf\x01\x21\x10") for n in range(50)]
    assert compare(silence, received(silence)).faithful
    assert compare(silence, received(silence[30:])).faithful
    assert compare(silence, received(silence[:-1])).lost == [49]


def test_a_player_that_got_nothing_is_not_faithful():
    assert not compare(SENT, received([])).faithful


def test_flv_is_read_byte_by_byte_as_it_was_written():
    data, reader = flv.HEADER + b"".join(tag.encode() for tag in SENT), flv.Reader()
    assert [tag for byte in data for tag in reader.feed(bytes([byte]))] == SENT
    assert reader.audio and reader.video


def test_the_pictures_of_the_synthetic_stream_are_shown_evenly_and_some_of_them_out_of_order():
    pictures = [tag for tag in SENT if tag.kind == VIDEO and not tag.config]
    shown = [tag.timestamp + tag.cts for tag in pictures]
    assert shown != sorted(shown)
    assert sorted(shown) == [40 * n for n in range(1, 76)]
