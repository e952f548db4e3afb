import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import MediaError
from mesh.media import codec
from mesh.media.codec import Look, Packet
from mesh.media.frame import Kind
from tests.media.clip import AAC, AC3, H264, HEVC, MP3, OPUS, VP9, clip, packets, tags

VIDEO, AUDIO, META = Kind.VIDEO, Kind.AUDIO, Kind.META
START, FRAMES, END, FRAMES_X, METADATA, TS_START = list(Packet)[:6]
AVC1, HVC1, AV01, VP09, MP4A, OPUS_CC = (name.hex() for name in (b"avc1", b"hvc1", b"av01", b"vp09", b"mp4a", b"Opus"))

CASES = {
    # FLV 10.1, annex E.4
    "AVC sequence header": (VIDEO, "17 00 000000 01640028", Look("h264", config=True, packet=START)),
    "AVC sequence header on an inter frame": (VIDEO, "27 00 000000 01", Look("h264", config=True, packet=START)),
    "AVC keyframe": (VIDEO, "17 01 000050 00000299", Look("h264", keyframe=True, cts=80)),
    "AVC inter frame": (VIDEO, "27 01 000000 00000010", Look("h264")),
    "AVC frame shown before it is decoded": (VIDEO, "27 01 ffffd8 00", Look("h264", cts=-40)),
    "AVC frame with the largest cts": (VIDEO, "27 01 7fffff", Look("h264", cts=(1 << 23) - 1)),
    "AVC frame with the smallest cts": (VIDEO, "27 01 800000", Look("h264", cts=-(1 << 23))),
    "AVC end of sequence": (VIDEO, "17 02 000000", Look("h264", packet=END)),
    "HEVC under the id that came before FourCC": (VIDEO, "1c 01 000028 00", Look("hevc", keyframe=True, cts=40)),
    "HEVC header under that id": (VIDEO, "1c 00 000000 01", Look("hevc", config=True, packet=START)),
    "Sorenson H.263 keyframe": (VIDEO, "12 00", Look("h263", keyframe=True)),
    "Sorenson H.263 disposable frame": (VIDEO, "32", Look("h263")),
    "VP6 inter frame": (VIDEO, "24 00", Look("vp6")),
    "unknown video": (VIDEO, "1f 00", Look("video15", keyframe=True)),
    "start of client-side seeking": (VIDEO, "57 00", Look("command")),
    "end of client-side seeking": (VIDEO, "52 01", Look("command")),
    "AAC sequence header": (AUDIO, "af 00 1190", Look("aac", config=True, packet=START)),
    "AAC frame": (AUDIO, "af 01 2110", Look("aac")),
    "MP3 frame": (AUDIO, "2f fffb", Look("mp3")),
    "MP3 at 8 kHz": (AUDIO, "ef", Look("mp3")),
    "Speex frame": (AUDIO, "b2 00", Look("speex")),
    "G.711 A-law": (AUDIO, "72", Look("alaw")),
    "unknown audio": (AUDIO, "cf", Look("audio12")),
    "metadata": (META, "02 000a 6f6e4d65746144617461 08 00000000 000009", Look("metadata", config=True)),
    "another script message": (META, "02 000a 6f6e5465787444617461 05", Look("metadata")),
    # Enhanced RTMP, as FFmpeg 8.1 and OBS 32 send it
    "HEVC sequence start": (VIDEO, f"90 {HVC1} 01", Look("hevc", config=True, packet=START)),
    "HEVC keyframe": (VIDEO, f"91 {HVC1} 000050 00", Look("hevc", keyframe=True, cts=80)),
    "HEVC keyframe without cts": (VIDEO, f"93 {HVC1} 00", Look("hevc", keyframe=True, packet=FRAMES_X)),
    "HEVC inter frame without cts": (VIDEO, f"a3 {HVC1} 00", Look("hevc", packet=FRAMES_X)),
    "HEVC inter frame, negative cts": (VIDEO, f"a1 {HVC1} ffffd8 00", Look("hevc", cts=-40)),
    "HEVC end of sequence": (VIDEO, f"92 {HVC1}", Look("hevc", packet=END)),
    "HEVC colour metadata": (VIDEO, f"d4 {HVC1} 0200", Look("hevc", config=True, packet=METADATA)),
    "AV1 sequence start": (VIDEO, f"90 {AV01} 81", Look("av1", config=True, packet=START)),
    "AV1 sequence start as in MPEG-2 TS": (VIDEO, f"95 {AV01} 80", Look("av1", config=True, packet=TS_START)),
    "AV1 keyframe": (VIDEO, f"91 {AV01} 1200", Look("av1", keyframe=True)),
    "VP9 inter frame": (VIDEO, f"a1 {VP09} 8600", Look("vp9")),
    "seek command": (VIDEO, "d1 00", Look("command")),
    "Opus sequence start": (AUDIO, f"90 {OPUS_CC} 4f", Look("opus", config=True, packet=START)),
    "Opus channels": (AUDIO, f"94 {OPUS_CC} 0102", Look("opus", config=True, packet=METADATA)),
    "Opus frame": (AUDIO, f"91 {OPUS_CC} fcff", Look("opus")),
    "Opus end of sequence": (AUDIO, f"92 {OPUS_CC}", Look("opus", packet=END)),
    "FLAC sequence start": (AUDIO, "90 664c6143 1200", Look("flac", config=True, packet=START)),
    "AC-3 frame": (AUDIO, "91 61632d33 0b77", Look("ac3")),
    "an unheard-of codec": (VIDEO, "91 77786961 00", Look("wxia", keyframe=True)),
    "a FourCC that would clear a terminal": (VIDEO, "91 1b5b324a 00", Look("1b5b324a", keyframe=True)),
    # Multitrack: a form, the packet type, the FourCC, the track, and where there are several its size
    "second track's AVC header": (VIDEO, f"96 00 {AVC1} 01 01", Look("h264", config=True, track=1, packet=START)),
    "second track's AVC keyframe": (VIDEO, f"96 01 {AVC1} 01 000028 00", Look("h264", cts=40, track=1)),
    "first track's keyframe": (VIDEO, f"96 01 {AVC1} 00 000028 00", Look("h264", keyframe=True, cts=40)),
    "many tracks of one codec": (
        VIDEO,
        f"96 11 {AVC1} 00 000004 000028 00 01 000004 000050 00",
        Look("h264", keyframe=True, cts=40),
    ),
    "many tracks of many codecs": (
        VIDEO,
        f"96 21 {HVC1} 00 000004 000028 00 {AV01} 01 000001 00",
        Look("hevc", keyframe=True, cts=40),
    ),
    "second track's AAC header": (AUDIO, f"95 00 {MP4A} 01 1190", Look("aac", config=True, track=1, packet=START)),
    "second track's AAC channels": (AUDIO, f"95 04 {MP4A} 01 0102", Look("aac", config=True, track=1, packet=METADATA)),
    "second track's AAC frame": (AUDIO, f"95 01 {MP4A} 01 2110", Look("aac", track=1)),
    # ModEx: size - 1, that many bytes, its type and the packet type that follows; more of them may come first
    "ModEx with nanoseconds": (VIDEO, f"97 02 0f4240 01 {HVC1} 000028 00", Look("hevc", keyframe=True, cts=40)),
    "two ModEx": (VIDEO, f"97 00 aa 17 02 0f4240 03 {HVC1} 00", Look("hevc", keyframe=True, packet=FRAMES_X)),
    "ModEx of 256 bytes": (AUDIO, f"97 ff 00ff {'aa' * 256} 01 {OPUS_CC} fc", Look("opus")),
    "ModEx of 300 bytes": (AUDIO, f"97 ff 012b {'aa' * 300} 00 {OPUS_CC} 4f", Look("opus", config=True, packet=START)),
    "ModEx before multitrack": (AUDIO, f"97 00 aa 05 01 {MP4A} 01 2110", Look("aac", track=1)),
}
TOO_SHORT = {
    (VIDEO, ""): "video of 0 bytes () ends within its header",
    (AUDIO, ""): "audio of 0 bytes () ends within its header",
    (VIDEO, "17"): "video of 1 bytes (17) ends within its header",
    (VIDEO, "2701 0000"): "video of 4 bytes (27 01 00 00) ends within its header",
    (VIDEO, "90 6176"): "video of 3 bytes (90 61 76) ends within its header",
    (VIDEO, f"91 {HVC1} 0000"): "video of 7 bytes (91 68 76 63 31 00 00) ends within its header",
    (VIDEO, "97 ff ffff 00"): "video of 5 bytes (97 ff ff ff 00) ends within its header",
    (VIDEO, "9711"): "video of 2 bytes (97 11) ends within its header",
    (VIDEO, f"96 00 {AVC1}"): "video of 6 bytes (96 00 61 76 63 31) ends within its header",
    (AUDIO, "af"): "audio of 1 bytes (af) ends within its header",
    (AUDIO, "95"): "audio of 1 bytes (95) ends within its header",
}
DESCRIPTIONS = {
    (VIDEO, "17 00 000000 01640028"): "h264",
    (VIDEO, f"90 {AV01} 81"): "av1",
    (AUDIO, "af 00 1190 56e500"): "aac 48000x2",
    (AUDIO, "af 00 1208"): "aac 44100x1",
    (AUDIO, "af 00 2b92 0800"): "aac 22050x2",  # HE-AAC names the rate of its core
    (AUDIO, "af 00 1780"): "aac",  # a rate of its own, which follows
    (AUDIO, "af 00 12"): "aac",
    (AUDIO, f"90 {OPUS_CC} 4f"): "opus",
}


def see(kind: Kind, payload: str) -> Look:
    return codec.look(kind, bytes.fromhex(payload))


@pytest.mark.parametrize("name", CASES)
def test_the_first_bytes_tell(name):
    kind, payload, expected = CASES[name]
    assert see(kind, payload) == expected


@pytest.mark.parametrize(("kind", "payload"), TOO_SHORT)
def test_a_payload_that_ends_within_its_header_raises(kind, payload):
    with pytest.raises(MediaError) as raised:
        see(kind, payload)
    assert str(raised.value) == TOO_SHORT[kind, payload]


@pytest.mark.parametrize("name", CASES)
def test_a_payload_cut_anywhere_is_taken_or_raises_media_error(name):
    kind, payload, _ = CASES[name]
    whole = bytes.fromhex(payload)
    for end in range(len(whole)):
        try:
            codec.look(kind, whole[:end])
        except MediaError:
            continue


@given(st.sampled_from(Kind), st.sampled_from(list(CASES)), st.binary(max_size=8), st.randoms(use_true_random=False))
def test_hostile_bytes_raise_only_media_error(kind, name, tail, chance: random.Random):
    payload = bytearray(bytes.fromhex(CASES[name][1])[: chance.randrange(12)] + tail)
    for _ in range(chance.randrange(3)):
        if payload:
            payload[chance.randrange(len(payload))] = chance.randrange(256)
    try:
        seen = codec.look(kind, bytes(payload))
    except MediaError:
        return
    assert seen.codec.isascii()
    assert seen.codec.isprintable()
    assert not (seen.keyframe and seen.config)
    assert -(1 << 23) <= seen.cts < 1 << 23
    if payload:
        assert codec.describe(kind, bytes(payload)).isprintable()


def test_a_header_replaces_the_one_of_its_kind_track_and_packet_type():
    slots = count()
    in_force = {}
    for kind, payload in [
        (META, CASES["metadata"][1]),
        (VIDEO, CASES["AVC sequence header"][1]),
        (AUDIO, CASES["AAC sequence header"][1]),
        (VIDEO, CASES["second track's AVC header"][1]),
        (VIDEO, CASES["HEVC colour metadata"][1]),
        (VIDEO, CASES["HEVC sequence start"][1]),
    ]:
        in_force[see(kind, payload).slot(kind)] = next(slots)
    assert list(in_force.values()) == [0, 5, 2, 3, 4]


@pytest.mark.parametrize(("kind", "header"), DESCRIPTIONS)
def test_a_header_is_described_in_words(kind, header):
    assert codec.describe(kind, bytes.fromhex(header)) == DESCRIPTIONS[kind, header]


@pytest.mark.parametrize(
    ("video", "audio", "names"),
    [
        (H264, AAC, {"h264", "aac"}),
        (HEVC, OPUS, {"hevc", "opus"}),
        (VP9, AC3, {"vp9", "ac3"}),
        (None, MP3, {"mp3"}),
    ],
    ids=["h264-aac", "hevc-opus", "vp9-ac3", "mp3"],
)
def test_ffmpeg_agrees_on_keyframes_times_and_headers(video, audio, names):
    data = clip(video, audio)
    seen = [(tag, codec.look(tag.kind, tag.payload)) for tag in tags(data)]
    frames = [(tag, look) for tag, look in seen if not look.config and look.packet != END]
    found = packets(data)
    for kind in VIDEO, AUDIO:
        theirs = [packet for packet in found if packet.kind == kind]
        ours = [(tag, look) for tag, look in frames if tag.kind == kind]
        assert [(tag.timestamp, tag.timestamp + look.cts) for tag, look in ours] == [(p.dts, p.pts) for p in theirs]
        assert all(tag.payload.endswith(p.body) for (tag, _), p in zip(ours, theirs, strict=True))
        if kind == VIDEO:
            assert [look.keyframe for _, look in ours] == [packet.keyframe for packet in theirs]
    assert {look.codec for tag, look in seen if tag.kind != META} == names


def test_frames_with_b_frames_are_not_shown_in_the_order_of_decoding():
    times = [
        tag.timestamp + look.cts
        for tag in tags(clip(H264, AAC))
        if tag.kind == VIDEO and not (look := codec.look(tag.kind, tag.payload)).config and look.packet != END
    ]
    assert times != sorted(times)
    assert len(set(times)) == len(times)


def test_ffmpeg_writes_a_second_track_that_is_no_place_to_start():
    seen = [
        (tag.kind, codec.look(tag.kind, tag.payload)) for tag in tags(clip(H264, AAC, tracks=2)) if tag.kind != META
    ]
    tracks = {(kind, look.track) for kind, look in seen}
    assert tracks == {(VIDEO, 0), (VIDEO, 1), (AUDIO, 0), (AUDIO, 1)}
    assert {look.track for _, look in seen if look.keyframe} == {0}
    headers = [look.slot(kind) for kind, look in seen if look.config]
    assert len(headers) == len(set(headers)) >= 4
