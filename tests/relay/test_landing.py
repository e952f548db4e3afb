import pytest

from mesh.media.frame import Frame, Kind
from mesh.relay.landing import Sight, contradicts, land
from mesh.stream.log import StreamLog
from tests.relay.sample import FRAME_MS, LEADER, at, empty_log, gops, header, held, log_of, video

OTHER = "2" * 32


def test_frames_land_in_an_empty_log_which_begins_their_epochs() -> None:
    log = empty_log()
    frames = [*gops(3, epoch=2), *gops(3, epoch=5)]
    assert land(log, frames, {2: LEADER, 5: OTHER}) == (8, 0)
    assert [epoch[:2] for epoch in log.epochs] == [(2, LEADER), (5, OTHER)]
    assert held(log) == frames


def test_what_the_log_has_already_is_left_out() -> None:
    log = log_of(*gops(10))
    assert land(log, gops(12), {1: LEADER}) == (2, 0)
    assert held(log) == gops(12)


def test_what_an_older_epoch_still_sends_is_left_out() -> None:
    log = log_of(*gops(3, epoch=2))
    assert land(log, gops(9, epoch=1), {1: OTHER}) == (0, 0)


def test_headers_that_no_codec_understands_are_counted() -> None:
    log = empty_log()
    assert land(log, [header(0)._replace(payload=b""), video(1, True)], {1: LEADER}) == (2, 1)
    assert log.head == at(2)


@pytest.mark.parametrize(
    ("leaders", "contrary"),
    [({1: LEADER}, False), ({1: OTHER}, True), ({2: OTHER}, False), ({1: LEADER, 2: OTHER}, False), ({}, False)],
)
def test_two_leaders_of_one_epoch_contradict_each_other(leaders: dict[int, str], contrary: bool) -> None:
    assert contradicts(log_of(*gops(3)), leaders) is contrary
    assert not contradicts(empty_log(), leaders)


def sound(n: int) -> Frame:
    return video(n)._replace(kind=Kind.AUDIO)


def see(log: StreamLog, sight: Sight, *frames: Frame, skipped: bool = False) -> list[int]:
    """Which of these come into the log, by their numbers."""
    seen = sight.see(frames, skipped)
    land(log, seen, {1: LEADER, 2: OTHER})
    return [frame.offset - at(0, frame.epoch) for frame in seen]


def test_after_a_skip_there_are_no_pictures_until_a_keyframe() -> None:
    log = log_of(*gops(5))
    sight = Sight(log)
    assert see(log, sight, video(6), video(7)) == [6, 7]
    assert see(log, sight, header(8), video(9), sound(10), skipped=True) == [8, 10]
    assert see(log, sight, video(11), sound(12)) == [12]
    assert see(log, sight, video(13), video(14, True), video(15)) == [14, 15]
    assert see(log, sight, video(16)) == [16]


def test_a_hole_is_a_skip_of_a_relay_further_up() -> None:
    log = log_of(*gops(5))
    sight = Sight(log)
    assert see(log, sight, sound(6), sound(8), sound(10)) == [6, 8, 10]
    assert see(log, sight, video(11), sound(12)) == [12]
    assert see(log, sight, video(13, True), video(14), sound(17), video(18)) == [13, 14, 17]
    assert see(log, sight, video(21, True), video(22)) == [21, 22]


def test_what_an_epoch_repeats_and_a_relay_left_out_is_no_hole() -> None:
    log = log_of(*gops(60))
    sight = Sight(log)
    again = [frame._replace(offset=at(n, 2)) for n, frame in enumerate([header(60), video(58), video(59), video(60)])]
    assert see(log, sight, again[0], again[3]) == [0, 3]
    assert [frame.offset for frame in held(log)][-2:] == [at(60), at(0, 2)]
    assert see(log, sight, again[3]._replace(offset=at(5, 2), dts=61 * FRAME_MS)) == [5]


def test_once_an_epoch_has_passed_what_it_could_repeat_a_hole_is_a_skip() -> None:
    log = log_of(*gops(60))
    sight = Sight(log)
    anew = [
        frame._replace(offset=at(n, 2)) for n, frame in enumerate([header(60), video(61, True), *map(sound, (62, 64))])
    ]
    assert see(log, sight, *anew) == [0, 1, 2, 3]
    later = [frame._replace(offset=at(n, 2)) for n, frame in [(5, sound(66)), (7, video(68)), (9, video(70, True))]]
    assert see(log, sight, *later) == [5, 9]


def test_the_start_of_an_epoch_is_no_hole() -> None:
    log = log_of(*gops(5))
    assert see(log, Sight(log), video(6), header(3, 2), video(4, epoch=2), video(5, epoch=2)) == [6, 3, 4, 5]
