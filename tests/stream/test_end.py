import pytest

from mesh.media.frame import Kind
from mesh.stream.end import MAX_CTS_MS, NOWHERE, End, farthest
from tests.stream.frames import METADATA, begun, header, keyframe, roomy, sound

A, V = Kind.AUDIO, Kind.VIDEO

FLOORS = {
    "nothing yet": (NOWHERE, None),
    "at once": (End(1, {V: 1000, A: 1010}, 0, 0), 1011),
    "the time that passed stays": (End(1, {V: 1000, A: 1010}, 80, 500), 1510),
    "a picture that is still to be shown": (End(1, {V: 1000}, 80, 20), 1081),
    "a picture that is to be shown in two hours": (End(1, {V: 1000}, 7_200_000, 20), 1001 + MAX_CTS_MS),
}


@pytest.mark.parametrize("name", FLOORS)
def test_the_next_epoch_begins_after_all_that_was(name: str) -> None:
    end, floor = FLOORS[name]
    assert end.floor == floor


def test_the_end_of_a_stream_is_the_farthest_of_its_logs() -> None:
    ends = [End(1, {V: 1000, A: 990}, 80, 500), End(1, {V: 960, A: 1010}, 40, 480), End(2, {}, 0, 20), NOWHERE]
    assert farthest(ends) == End(2, {V: 1000, A: 1010}, 80, 480)
    assert farthest([]) == farthest([NOWHERE]) == NOWHERE


def test_a_log_with_more_frames_reaches_farther() -> None:
    logs = [NOWHERE, End(1, {V: 1000}, 0, 9), End(1, {V: 1000, A: 990}, 0, 0), End(1, {V: 1000, A: 1010}, 0, 0)]
    ends = [*logs, End(1, {V: 1040, A: 1010}, 0, 0), End(2, {V: 40}, 0, 0)]
    assert sorted(ends, key=lambda end: end.reach) == ends


SHIFTS = {
    "after the time that passed": (End(1, {V: 900, A: 910}, 0, 0), End(2, {V: 900, A: 990}, 0, 200), 279),
    "after each kind": (End(1, {V: 100, A: 910}, 0, 0), End(2, {V: 900, A: 910}, 0, 0), 800),
    "one that is behind": (End(1, {V: 900}, 0, 0), End(2, {V: 500}, 0, 0), 0),
    "one with nothing": (End(1, {V: 900}, 0, 0), NOWHERE, 0),
    "by one with nothing": (NOWHERE, End(2, {V: 500}, 0, 0), 501),
}


@pytest.mark.parametrize("name", SHIFTS)
def test_who_goes_on_does_so_after_the_other_end(name: str) -> None:
    mine, theirs, shift = SHIFTS[name]
    assert mine.shift(theirs) == shift


def test_a_log_knows_its_end() -> None:
    assert roomy().end(7) == End(0, {}, 0, 7)
    log = begun(roomy(), epoch=3, headers=())
    for frame in (
        header(log.head, METADATA, 5000),
        keyframe(log.head + 1, 40)._replace(cts=80),
        sound(log.head + 2, 47),
    ):
        log.append(frame)
    assert log.end(7) == End(3, {V: 40, A: 47}, 80, 7)
