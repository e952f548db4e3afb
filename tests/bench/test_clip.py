from itertools import pairwise

import pytest

from mesh.bench.clip import Clip, noise, read, stamp, stamped
from mesh.media import codec, flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind
from tests.media.clip import clip, packets


def test_noise_has_the_rate_that_was_asked_for():
    assert noise(2100).bps == pytest.approx(2_100_000, rel=0.02)
    assert noise(200).bps == pytest.approx(200_000, rel=0.02)
    assert noise(200, fps=5, sound=False).bps == pytest.approx(200_000, rel=0.02)


def test_noise_may_be_a_camera_s_few_pictures_without_sound():
    camera = noise(200, fps=5, sound=False)
    assert [tag.timestamp for tag in camera.tags] == list(range(0, 8000, 200))
    assert {tag.kind for tag in camera.headers + camera.tags} == {Kind.VIDEO}


def test_noise_has_a_keyframe_each_second():
    for tags in (noise(500).tags, noise(500, fps=5).tags):
        keyframes = [tag.timestamp for tag in tags if codec.look(tag.kind, tag.payload).keyframe]
        assert keyframes == list(range(0, 8000, 1000))


def test_a_clip_goes_on_without_end_and_without_a_step_in_its_clock():
    looped = noise(200)
    times = [looped.tag(number).timestamp for number in range(3 * len(looped.tags))]
    steps = [later - sooner for sooner, later in pairwise(times)]
    assert min(steps) >= 0 and max(steps) <= 34
    assert looped.tag(len(looped.tags)).payload == looped.tag(0).payload


def test_headers_are_no_part_of_the_loop(tmp_path):
    path = tmp_path / "clip.flv"
    path.write_bytes(clip())
    looped = read(str(path))
    assert {header.kind for header in looped.headers} == {Kind.META, Kind.VIDEO, Kind.AUDIO}
    assert not any(codec.look(tag.kind, tag.payload).config for tag in looped.tags)


def test_nothing_cannot_be_looped():
    with pytest.raises(ValueError, match="0 frames, expected 2 or more"):
        Clip([Tag(Kind.AUDIO, 0, bytes.fromhex("af001190"))])


def test_a_stamp_comes_back_to_the_nanosecond():
    payload = stamped(b"\x17\x01\0\0\0" + b"\0\0\0\x02\x65\x88", 1234.000000567)
    assert stamp(payload) == pytest.approx(1234.000000567, abs=1e-9)
    assert payload.endswith(b"\0\0\0\x02\x65\x88")


def test_what_is_no_picture_gets_no_stamp():
    for payload in (b"\xaf\x01abc", b"\x17\0\0\0\0", b""):
        assert stamped(payload, 1.0) == payload
        assert stamp(payload) is None


def test_ffmpeg_finds_the_same_pictures_with_stamps_in_them():
    data = clip(audio=None)
    tags = [tag._replace(payload=stamped(tag.payload, 5.0)) for tag in flv.Reader().feed(data)]
    marked = flv.header(audio=False, video=True) + b"".join(map(flv.encode, tags))
    assert [packet[:4] for packet in packets(marked)] == [packet[:4] for packet in packets(data)]
