import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.media import amf0
from mesh.media.frame import Frame, Kind
from mesh.stream.tracks import describe
from tests.media.clip import AAC, HEVC, OPUS, clip, tags
from tests.stream.frames import AAC_HEADER, AVC_HEADER, METADATA, header

SECOND_AVC, SECOND_AAC = b"\x96\x00avc1\x01\x01\x64", b"\x95\x00mp4a\x01\x11\x90"
COLOUR, OPUS_HEADER = b"\xd4hvc1\x02\x00", b"\x90OpusOpusHead"


def metadata(**values: object) -> bytes:
    return amf0.encode("onMetaData", values)


def in_force(*payloads: bytes) -> list[Frame]:
    kinds = {0x17: Kind.VIDEO, 0xD4: Kind.VIDEO, 0x96: Kind.VIDEO, 0x02: Kind.META}
    return [
        Frame(place, kinds.get(payload[0], Kind.AUDIO), 0, 0, False, True, payload)
        for place, payload in enumerate(payloads)
    ]


CASES = {
    "nothing": ((), ("", "")),
    "video and audio": ((AVC_HEADER, AAC_HEADER), ("h264", "aac 48000x2")),
    "with metadata": ((metadata(width=1280.0, height=720.0), AVC_HEADER, AAC_HEADER), ("h264 1280x720", "aac 48000x2")),
    "metadata last": ((AVC_HEADER, metadata(width=1280.0, height=720.0)), ("h264 1280x720", "")),
    "only audio": ((AAC_HEADER,), ("", "aac 48000x2")),
    "only metadata": ((metadata(width=1280.0, height=720.0),), ("", "")),
    "the first track, whatever the second": ((AVC_HEADER, OPUS_HEADER, SECOND_AVC, SECOND_AAC), ("h264", "opus")),
    "more than one header of a track": ((COLOUR, AAC_HEADER), ("hevc", "aac 48000x2")),
    "empty metadata": ((METADATA, AVC_HEADER), ("h264", "")),
    "metadata that ends too soon": ((METADATA[:-5], AVC_HEADER), ("h264", "")),
    "more metadata than is read": ((metadata(width=1280.0, height=720.0, more="x" * 9000), AVC_HEADER), ("h264", "")),
    "a size that is text": ((metadata(width="1280", height="720"), AVC_HEADER), ("h264", "")),
    "a size of nothing": ((metadata(width=0.0, height=0.0), AVC_HEADER), ("h264", "")),
    "a size below nothing": ((metadata(width=-1280.0, height=720.0), AVC_HEADER), ("h264", "")),
    "no number": ((metadata(width=float("nan"), height=720.0), AVC_HEADER), ("h264", "")),
    "no end": ((metadata(width=float("inf"), height=720.0), AVC_HEADER), ("h264", "")),
    "half a size": ((metadata(width=1280.0), AVC_HEADER), ("h264", "")),
}


@pytest.mark.parametrize("name", CASES)
def test_headers_in_force_are_described_in_words(name):
    headers, expected = CASES[name]
    assert describe(in_force(*headers)) == expected


@pytest.mark.parametrize(
    ("video", "audio", "expected"),
    [(None, AAC, ("", "aac 48000x2")), (HEVC, OPUS, ("hevc 160x90", "opus"))],
    ids=["aac", "hevc-opus"],
)
def test_what_ffmpeg_says_of_its_streams_is_understood(video, audio, expected):
    sent = [
        tag
        for tag in tags(clip(video, audio))
        if tag.kind == Kind.META or tag.payload[0] == 0x90 or tag.payload[1] == 0
    ]
    frames = [Frame(place, tag.kind, 0, 0, False, True, tag.payload) for place, tag in enumerate(sent)]
    assert describe(frames) == expected


@given(st.binary(max_size=40))
def test_hostile_metadata_is_no_error(body):
    payload = b"\x02\x00\x0aonMetaData" + body
    video, _ = describe([Frame(0, Kind.META, 0, 0, False, True, payload), header(1, AVC_HEADER)])
    assert video.startswith("h264")
    assert len(video) < 20
