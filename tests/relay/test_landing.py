import pytest

from mesh.media.frame import Kind
from mesh.relay.landing import Sight, contradicts, land
from tests.relay.sample import LEADER, at, empty_log, gops, header, held, log_of, video

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


def test_after_a_skip_there_are_no_pictures_until_a_keyframe() -> None:
    sight, sound = Sight(), video(2)._replace(kind=Kind.AUDIO)
    assert sight.see([video(1), video(2)], head=at(0), skipped=False) == [video(1), video(2)]
    assert sight.see([header(3), video(4), sound], head=at(0), skipped=True) == [header(3), sound]
    assert sight.see([video(5), sound], head=at(0), skipped=False) == [sound]
    assert sight.see([video(6), video(7, True), video(8)], head=at(0), skipped=False) == [video(7, True), video(8)]
    assert sight.see([video(9)], head=at(0), skipped=False) == [video(9)]
