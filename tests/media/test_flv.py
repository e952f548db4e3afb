import io
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import MediaError
from mesh.media import flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind
from tests.media.clip import clip, packets, tags

FILE_HEADER = "464c5601 05 00000009 00000000"
CASES = {
    "video": ("09 000005 000000 00 000000 1702000000 00000010", Tag(Kind.VIDEO, 0, bytes.fromhex("1702000000"))),
    "audio": ("08 000002 000017 00 000000 af01 0000000d", Tag(Kind.AUDIO, 23, b"\xaf\x01")),
    "metadata": ("12 000003 000000 00 000000 020000 0000000e", Tag(Kind.META, 0, b"\2\0\0")),
    "empty": ("08 000000 000001 00 000000 0000000b", Tag(Kind.AUDIO, 1, b"")),
    "the last timestamp of 24 bits": ("09 000001 ffffff 00 000000 27 0000000c", Tag(Kind.VIDEO, 0xFFFFFF, b"\x27")),
    "the first beyond 24 bits": ("09 000001 000000 01 000000 27 0000000c", Tag(Kind.VIDEO, 1 << 24, b"\x27")),
    "the last of 32 bits": ("09 000001 ffffff ff 000000 27 0000000c", Tag(Kind.VIDEO, 0xFFFFFFFF, b"\x27")),
}
TOLERATED = {
    "a back pointer of 0": "08 000001 000017 00 000000 af 00000000",
    "a wrong back pointer": "08 000001 000017 00 000000 af ffffffff",
    "a stream id": "08 000001 000017 00 abcdef af 0000000c",
}
HEADERS = {
    (False, False): "464c5601 00 00000009 00000000",
    (False, True): "464c5601 01 00000009 00000000",
    (True, False): "464c5601 04 00000009 00000000",
    (True, True): "464c5601 05 00000009 00000000",
}
BAD = {
    "ff": "FLV begins with ff, expected 46 4c 56 01",
    "464c5602": "FLV begins with 46 4c 56 02, expected 46 4c 56 01",
    "474554202f": "FLV begins with 47 45 54 20, expected 46 4c 56 01",
    "464c5601 05 00000008": "FLV header of 8 bytes, expected 9 to 1024",
    "464c5601 05 ffffffff": "FLV header of 4294967295 bytes, expected 9 to 1024",
    FILE_HEADER + "00 000000 000000 00 000000": "FLV tag of type 0 at byte 13, expected 8, 9 or 18",
    FILE_HEADER + "29 000000 000000 00 000000": "FLV tag of type 41 at byte 13, expected 8, 9 or 18",
    FILE_HEADER + CASES["empty"][0] + "0a 000000 000000 00 000000": (
        "FLV tag of type 10 at byte 28, expected 8, 9 or 18"
    ),
    FILE_HEADER + "09 000401 000000 00 000000": "FLV tag of 1025 bytes at byte 13, expected at most 1024",
}
TAGS = st.builds(Tag, st.sampled_from(Kind), st.integers(0, (1 << 32) - 1), st.binary(max_size=40))


def file(*encoded: str) -> bytes:
    return bytes.fromhex(FILE_HEADER + "".join(encoded))


def read(*data: bytes) -> list[Tag]:
    reader = flv.Reader()
    return [tag for part in data for tag in reader.feed(part)]


@pytest.mark.parametrize("name", CASES)
def test_a_tag_is_decoded(name):
    encoded, tag = CASES[name]
    assert read(file(encoded)) == [tag]


@pytest.mark.parametrize("name", CASES)
def test_a_tag_is_encoded(name):
    encoded, tag = CASES[name]
    assert flv.encode(tag) == bytes.fromhex(encoded)


@pytest.mark.parametrize("name", TOLERATED)
def test_what_some_muxers_get_wrong_is_taken(name):
    assert read(file(TOLERATED[name])) == [Tag(Kind.AUDIO, 23, b"\xaf")]


@pytest.mark.parametrize("kinds", HEADERS)
def test_the_header_promises_what_the_stream_has(kinds):
    assert flv.header(*kinds) == bytes.fromhex(HEADERS[kinds])


@pytest.mark.parametrize("timestamp", [1 << 32, (1 << 40) + 5])
def test_a_time_of_64_bits_wraps_at_32(timestamp):
    encoded = flv.encode(Tag(Kind.VIDEO, timestamp, b"\x27"))
    assert read(file(encoded.hex())) == [Tag(Kind.VIDEO, timestamp % (1 << 32), b"\x27")]


def test_a_longer_file_header_is_skipped():
    longer = bytes.fromhex("464c5601 05 0000000c abcdef 00000000") + bytes.fromhex(CASES["audio"][0])
    assert read(longer) == [CASES["audio"][1]]


@pytest.mark.parametrize("encoded", BAD)
def test_what_is_not_flv_raises(encoded):
    with pytest.raises(MediaError) as raised:
        list(flv.Reader(max_body=1024).feed(bytes.fromhex(encoded)))
    assert str(raised.value) == BAD[encoded]


def test_tags_before_the_bad_byte_come_out_and_after_it_none():
    reader, taken = flv.Reader(), []
    with pytest.raises(MediaError):
        for tag in reader.feed(file(CASES["audio"][0], "07" + "00" * 20)):
            taken.append(tag)
    assert taken == [CASES["audio"][1]]
    with pytest.raises(MediaError):
        list(reader.feed(bytes.fromhex(CASES["audio"][0])))


def test_a_tag_comes_as_soon_as_its_back_pointer_has():
    data = file(CASES["audio"][0])
    reader = flv.Reader()
    assert list(reader.feed(data[:-1])) == []
    assert list(reader.feed(data[-1:])) == [CASES["audio"][1]]


def test_tags_that_nobody_took_yet_are_not_lost():
    reader = flv.Reader()
    first = next(reader.feed(file(CASES["audio"][0], CASES["video"][0])))
    assert [first, *reader.feed(b"")] == [CASES["audio"][1], CASES["video"][1]]


@given(st.lists(TAGS, max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_it_does_not_matter_where_the_bytes_are_cut(sent, cuts):
    data = file(*[flv.encode(tag).hex() for tag in sent])
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    assert read(*[data[a:b] for a, b in pairwise(edges)]) == sent


@given(st.lists(TAGS, max_size=4))
def test_byte_by_byte_equals_all_at_once(sent):
    data = file(*[flv.encode(tag).hex() for tag in sent])
    assert read(*[data[at : at + 1] for at in range(len(data))]) == read(data) == sent


def outcome(*data: bytes) -> tuple[list[Tag], str]:
    """What came out, and what was raised in the end."""
    reader, taken = flv.Reader(max_body=64), []
    try:
        for part in data:
            for tag in reader.feed(part):
                taken.append(tag)
    except MediaError as error:
        return taken, str(error)
    return taken, ""


@given(st.data())
def test_hostile_bytes_raise_only_media_error_and_the_same_one_byte_by_byte(data):
    sound = data.draw(st.sampled_from([b"", file(), file(*[case[0] for case in CASES.values()])]))
    hostile = bytearray(sound + data.draw(st.binary(max_size=60)))
    for at in data.draw(st.lists(st.integers(0, max(0, len(hostile) - 1)), max_size=4)) if hostile else ():
        hostile[at] = data.draw(st.integers(0, 255))
    whole = outcome(bytes(hostile))
    single = outcome(*[bytes([byte]) for byte in hostile])
    assert whole[0] == single[0]
    assert bool(whole[1]) == bool(single[1])


def test_what_ffmpeg_writes_is_read_and_written_back_byte_for_byte():
    data = clip()
    assert flv.header(True, True) + b"".join(map(flv.encode, tags(data))) == data


def test_ffmpeg_reads_what_we_write():
    data = clip()
    ours = flv.header(True, True) + b"".join(map(flv.encode, tags(data)))
    with av.open(io.BytesIO(ours)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    assert packets(ours) == packets(data)
