import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import StreamError
from mesh.media.frame import Entry, Position
from mesh.stream.resume import ahead, place, read, told, written
from tests.relay.sample import LEADER, at, gops, header, log_of


@given(st.integers(1, 10**9 - 1), st.integers(0, 2**32 - 1))
def test_a_position_reads_as_it_was_written(epoch, number):
    position = Position(epoch, LEADER, epoch << 32 | number)
    assert read(written(position)) == position


@pytest.mark.parametrize(
    "text", ["7", "1.2.3", f"1.{LEADER}", f"1.{LEADER}.-1", f"1.{LEADER}.x", f"1.{LEADER}.{10**10}"]
)
def test_what_is_no_position_is_refused(text):
    with pytest.raises(StreamError, match=r"offset=.*, expected EPOCH\.LEADER\.N"):
        read(text)


def frames():
    """Two GOPs of 10 frames, the headers changing in the middle of the second."""
    return [header(15) if frame.offset == at(15) else frame for frame in gops(20)]


OLD, NEW = header(0), header(15)
PLACES = {
    "nothing is known: the newest entry": (None, Entry(at(11), (OLD,))),
    "in the first GOP": (Position(1, LEADER, at(5)), Entry(at(5), (OLD,))),
    "at a header that changes": (Position(1, LEADER, at(15)), Entry(at(15), (OLD,))),
    "after it": (Position(1, LEADER, at(16)), Entry(at(16), (OLD, NEW))),
    "at the head": (Position(1, LEADER, at(21)), Entry(at(21), (OLD, NEW))),
    "another leader's": (Position(1, "2" * 32, at(5)), Entry(at(11), (OLD,))),
    "beyond the head": (Position(1, LEADER, at(22)), Entry(at(11), (OLD,))),
}


@pytest.mark.parametrize(("position", "entry"), PLACES.values(), ids=PLACES)
def test_a_player_goes_on_where_the_log_holds_its_position(position, entry):
    assert place(log_of(*frames()), position) == entry


@pytest.mark.parametrize(
    ("position", "awaited"),
    [
        (None, False),
        (Position(1, LEADER, at(21)), False),
        (Position(1, LEADER, at(22)), True),
        (Position(1, "2" * 32, at(22)), False),
        (Position(2, LEADER, 2 << 32 | 5), False),
    ],
)
def test_a_log_may_still_get_to_what_is_beyond_its_end_in_the_epoch_that_it_has(position, awaited):
    assert ahead(log_of(*frames()), position) == awaited


def test_a_position_that_has_been_dropped_goes_on_at_the_newest_entry():
    log = log_of(*gops(100, size=1000), max_bytes=40_000)
    assert place(log, Position(1, LEADER, at(5))) == log.entry


def test_a_player_is_told_where_it_starts():
    log = log_of(*frames())
    assert told(log, place(log, None))["X-Mesh-Position"] == f"1.{LEADER}.11; headers=1"
