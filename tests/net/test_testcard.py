import io
from itertools import islice, pairwise, takewhile

import av
import pytest

from mesh.media import flv
from mesh.media.frame import Kind
from mesh.net import testcard


@pytest.fixture(scope="module")
def card() -> list[flv.Tag]:
    """Two and a half seconds of it, small."""
    return list(takewhile(lambda tag: tag.timestamp < 2500, testcard.tags(640, 360, kbps=800)))


def test_it_begins_with_metadata_and_both_sequence_headers(card):
    assert [(tag.kind, tag.payload[:2].hex()) for tag in card[:3]] == [
        (Kind.META, "0200"),
        (Kind.VIDEO, "1700"),
        (Kind.AUDIO, "af00"),
    ]


def test_a_keyframe_comes_each_second(card):
    keyframes = [tag.timestamp for tag in card if tag.kind == Kind.VIDEO and tag.payload[:2] == b"\x17\x01"]
    assert [b - a for a, b in pairwise(keyframes)] == [1000, 1000]


def test_sound_never_runs_far_from_the_picture(card):
    behind = {Kind.VIDEO: 0, Kind.AUDIO: 0}
    for tag in card[3:]:
        behind[tag.kind] = tag.timestamp
        assert abs(behind[Kind.VIDEO] - behind[Kind.AUDIO]) < 100


def test_it_decodes_to_moving_pictures_and_a_beep_each_second(card):
    data = flv.header(True, True) + b"".join(flv.encode(tag) for tag in card)
    with av.open(io.BytesIO(data)) as container:
        pictures = {bytes(frame.planes[0]) for frame in islice(container.decode(video=0), 50)}
    assert len(pictures) == 50
    with av.open(io.BytesIO(data)) as container:
        loud = [frame.time for frame in container.decode(audio=0) if max(memoryview(frame.planes[0]).cast("f")) > 0.1]
    assert {round(time - 0.05) for time in loud} == {0, 1, 2}
    assert all(time % 1 < 0.2 for time in loud)
