from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import RTMPError
from mesh.rtmp import chunk
from mesh.rtmp.chunk import ChunkReader, Limits
from mesh.rtmp.message import WRAP, Message, Type, uint32
from tests.rtmp.writer import Writer, interleaved, split

AUDIO = Message(8, 1000, 1, bytes(range(7)))
VIDEO = Message(9, 1033, 1, bytes(300))
LATE = Message(9, 0x1000000, 1, bytes(range(250)))

# What encode writes: a header of type 0, and chunks of 128 bytes.
CASES = [
    ("one chunk", AUDIO, "04 0003e8 000007 08 01000000 00010203040506"),
    ("no payload", Message(20, 0, 0, b""), "03 000000 000000 14 00000000"),
    ("full chunk", Message(9, 5, 1, bytes(128)), "06 000005 000080 09 01000000" + "00" * 128),
    ("three chunks", VIDEO, "06 000409 00012c 09 01000000" + "00" * 128 + "c6" + "00" * 128 + "c6" + "00" * 44),
    ("last plain timestamp", Message(8, 0xFFFFFE, 1, b"a"), "04 fffffe 000001 08 01000000 61"),
    ("first extended timestamp", Message(8, 0xFFFFFF, 1, b"a"), "04 ffffff 000001 08 01000000 00ffffff 61"),
    (
        "extended timestamp, again on type 3",
        LATE,
        "06 ffffff 0000fa 09 01000000 01000000" + LATE.payload[:128].hex() + "c6 01000000" + LATE.payload[128:].hex(),
    ),
    ("a user control message", Message(4, 0, 0, b"\0\0\0\0\0\1"), "02 000000 000006 04 00000000 000000000001"),
]

# What only others write: types 1 to 3 and the longer basic headers, after AUDIO on the same chunk stream.
FORMS = [
    ("type 1", "44 000017 000001 09 61", Message(9, 1023, 1, b"a")),
    ("type 2", "84 000017 00010203040506", AUDIO._replace(timestamp=1023)),
    ("type 3", "c4 00010203040506", AUDIO._replace(timestamp=2000)),
    ("type 1, back in time", "44 ffffff 000001 09 fffffff6 61", Message(9, 990, 1, b"a")),
    ("2 byte basic header", "00 00 000005 000001 09 01000000 61", Message(9, 5, 1, b"a")),
    ("3 byte basic header", "01 ffff 000005 000001 09 01000000 61", Message(9, 5, 1, b"a")),
]

MALFORMED = [
    ("c5", "chunk of type 3 on chunk stream 5, which has no message before"),
    ("85 000000", "chunk of type 2 on chunk stream 5, which has no message before"),
    ("01 0000 000000 fffffe 09 00000000", "message of 16777214 bytes, expected no more than 16000000"),
    ("02 000000 000004 01 00000000 00000000", "chunk size of 0 bytes, expected 1 to 2147483647"),
    ("02 000000 000004 01 00000000 80000000", "chunk size of 2147483648 bytes"),
    ("02 000000 000003 01 00000000 000000", "message of type 1 has 3 bytes, expected 4"),
    (
        "04 000000 000090 08 00000000" + "00" * 128 + "04 000000 000090 08 00000000",
        "chunk of type 0 on chunk stream 4 after 128 bytes of a message of 144, expected type 3",
    ),
]


def read(*pieces: bytes, limits: Limits = chunk.LIMITS) -> list[Message]:
    reader = ChunkReader(limits)
    return [message for piece in pieces for message in reader.receive_data(piece)]


def in_bytes(data: bytes) -> Iterable[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("message", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_message_becomes_chunks_and_the_chunks_that_message(message: Message, data: str) -> None:
    chunks = bytes.fromhex(data)
    assert chunk.encode(*message, chunk_size=128) == chunks
    assert read(chunks) == [message]
    assert read(*in_bytes(chunks)) == [message]


@pytest.mark.parametrize(("data", "message"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_every_header_is_understood(data: str, message: Message) -> None:
    chunks = chunk.encode(*AUDIO) + bytes.fromhex(data)
    assert read(chunks) == [AUDIO, message]
    assert read(*in_bytes(chunks)) == [AUDIO, message]


@pytest.mark.parametrize(("data", "reason"), MALFORMED)
def test_malformed_chunks_raise_an_error_that_says_what_was_expected(data: str, reason: str) -> None:
    for pieces in ([bytes.fromhex(data)], in_bytes(bytes.fromhex(data))):
        with pytest.raises(RTMPError) as caught:
            read(*pieces, limits=Limits(message=16_000_000))
        assert reason in str(caught.value)


@pytest.mark.parametrize("csid", [2, 63, 64, 319, 320, 65599])
def test_a_basic_header_takes_the_fewest_bytes(csid: int) -> None:
    header = chunk.basic_header(0, csid)
    assert len(header) == 1 + (csid >= 64) + (csid >= 320)
    assert read(header + bytes.fromhex("000005 000001 09 01000000 61")) == [Message(9, 5, 1, b"a")]


def test_type_1_may_open_a_chunk_stream() -> None:
    # So does librtmp when it answers a ping.
    assert read(bytes.fromhex("42 000000 000006 04 000700000001")) == [Message(4, 0, 0, b"\0\7\0\0\0\1")]


def test_timestamps_wrap() -> None:
    first = Message(8, WRAP - 10, 1, b"a")
    writer = Writer()
    second, third = first._replace(timestamp=13), first._replace(timestamp=36)
    data = b"".join([*writer.chunks(first, 4), *writer.chunks(second, 4, 2), *writer.chunks(third, 4, 3)])
    assert read(data) == [first, second, third]
    assert read(chunk.encode(8, WRAP + 5, 1, b"a")) == [Message(8, 5, 1, b"a")]


@pytest.mark.parametrize("repeats", [True, False])
@pytest.mark.parametrize("form", [0, 1])
def test_type_3_may_or_may_not_repeat_the_extended_timestamp(repeats: bool, form: int) -> None:
    writer = Writer(repeats=repeats)
    messages = [Message(9, 5, 1, bytes(350)), Message(9, 0x2000005, 1, bytes(range(7)) * 50)]
    data = b"".join([piece for message in messages for piece in writer.chunks(message, 6, form)])
    assert read(data) == messages
    assert read(*in_bytes(data)) == messages


def test_type_3_may_repeat_the_time_where_the_header_had_a_delta() -> None:
    first, second = Message(9, 5, 1, b"a"), Message(9, 0x2000005, 1, bytes(200))
    begin, further = Writer().chunks(first, 6) + Writer().chunks(second, 6)[:1], bytes(72)
    begin[1] = bytes.fromhex("46 ffffff 0000c8 09 02000000") + bytes(128)
    assert read(b"".join(begin) + b"\xc6" + uint32(0x2000005) + further) == [first, second]


def test_the_chunk_size_counts_from_the_next_chunk_on() -> None:
    audio, video = Message(8, 0, 1, bytes(200)), Message(9, 0, 1, bytes(200))
    first, second = Writer().chunks(audio, 4)
    change = chunk.encode(Type.SET_CHUNK_SIZE, 0, 0, uint32(60))
    data = first + change + second[:61] + b"\xc4" + second[61:] + b"".join(Writer(60).chunks(video, 6))
    assert read(data) == read(*in_bytes(data)) == [audio, video]


def test_abort_forgets_what_has_come_of_a_message() -> None:
    first, _ = Writer().chunks(Message(8, 7, 1, bytes(200)), 4)
    abort = chunk.encode(Type.ABORT, 0, 0, uint32(4))
    assert read(first + abort + chunk.encode(*AUDIO)) == [AUDIO]
    assert read(abort) == []


@pytest.mark.parametrize("size", [1, 2, 127, 128, 4096, 0xFFFFFF, 0x7FFFFFFF])
def test_any_chunk_size_will_do(size: int) -> None:
    messages = [Message(9, 40 * number, 1, Random(number).randbytes(5000)) for number in range(3)]
    data = chunk.encode(Type.SET_CHUNK_SIZE, 0, 0, uint32(size))
    data += b"".join([chunk.encode(*message, chunk_size=size) for message in messages])
    assert read(data) == read(data[:7000], data[7000:]) == messages


def test_a_reader_takes_any_kind_of_buffer() -> None:
    data = chunk.encode(*VIDEO, chunk_size=128)
    for cls in (bytes, bytearray, memoryview):
        (message,) = read(cls(data[:5]), cls(data[5:]))  # type: ignore[arg-type]
        assert message == VIDEO
        assert type(message.payload) is bytes


def test_a_message_without_payload_ends_with_its_header() -> None:
    for timestamp in (5, 0x1000005):
        message = Message(20, timestamp, 0, b"")
        writer = Writer()
        headers = writer.chunks(message, 64) + writer.chunks(message._replace(timestamp=2 * timestamp), 64, 3)
        assert [len(read(*headers[:count])) for count in (1, 2)] == [1, 2]


def test_chunks_in_a_row_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(ChunkReader, "_take_part")
    messages = [Message(9, number, 1, Random(number).randbytes(127 + number)) for number in range(300)]
    assert read(b"".join([chunk.encode(*message, chunk_size=128) for message in messages])) == messages


def test_headers_come_without_the_payload_for_those_who_do_not_want_to_copy_it() -> None:
    first, further = chunk.headers(9, 0x1000000, 1, 250, 6)
    assert first + LATE.payload[:128] + further + LATE.payload[128:] == chunk.encode(*LATE, chunk_size=128)


def test_unfinished_messages_are_limited_together() -> None:
    limits = Limits(partial=1000)
    chunks = [Writer().chunks(Message(8, 0, 1, bytes(900)), csid)[0] for csid in range(3, 11)]
    assert read(*chunks[:7], limits=limits) == read(*chunks, limits=Limits(partial=1024)) == []
    with pytest.raises(RTMPError, match="1024 bytes of messages begun, expected no more than 1000"):
        read(*chunks, limits=limits)


def test_a_message_may_be_as_long_as_its_limit() -> None:
    assert read(chunk.encode(*AUDIO), limits=Limits(message=7)) == [AUDIO]
    with pytest.raises(RTMPError, match="message of 7 bytes, expected no more than 6"):
        read(chunk.encode(*AUDIO), limits=Limits(message=6))


def test_finished_and_forgotten_messages_do_not_count() -> None:
    first, second = Writer().chunks(Message(8, 0, 1, bytes(200)), 4)
    abort = chunk.encode(Type.ABORT, 0, 0, uint32(4))
    assert len(read(*[first, second] * 50, *[first, abort] * 50, limits=Limits(partial=250))) == 50


def test_chunk_streams_are_limited() -> None:
    opening = [b"".join(Writer().chunks(AUDIO, csid)) for csid in range(2, 67)]
    assert len(read(*opening[:64])) == 64
    with pytest.raises(RTMPError, match="chunk stream 66 is one more than 64"):
        read(*opening)


def test_a_length_is_not_believed_before_the_bytes_are_there() -> None:
    reader = ChunkReader()
    assert list(reader.receive_data(bytes.fromhex("04 000000 ffffff 09 00000000") + bytes(10))) == []
    assert len(reader._streams[4].body) == 10


TIMES = st.integers(0, 0xFFFFFFFF) | st.integers(0, 100) | st.integers(0xFFFFF0, 0x100000F)
CSIDS = st.integers(2, 8) | st.sampled_from([63, 64, 319, 320, 65599])
MESSAGES = st.builds(
    Message, st.sampled_from([8, 9, 18]), TIMES, st.just(1), st.integers(0, 700).map(lambda size: bytes([7]) * size)
)


@settings(deadline=None)
@given(
    queues=st.dictionaries(CSIDS, st.lists(st.tuples(MESSAGES, st.integers(0, 3)), min_size=1, max_size=5), max_size=6),
    size=st.sampled_from([1, 2, 13, 128, 500, 4096]),
    repeats=st.booleans(),
    seed=st.integers(0, 1 << 32),
)
def test_whatever_is_written_is_read_however_it_is_cut(
    queues: dict[int, list[tuple[Message, int]]], size: int, repeats: bool, seed: int
) -> None:
    random = Random(seed)
    writer = Writer(size, repeats)
    chunks = [
        [c for message, form in queue for c in writer.chunks(message, csid, form)] for csid, queue in queues.items()
    ]
    data = chunk.encode(Type.SET_CHUNK_SIZE, 0, 0, uint32(size)) + interleaved(random, chunks)
    messages = read(data)
    assert sorted(messages) == sorted([message for queue in queues.values() for message, _ in queue])
    assert read(*in_bytes(data)) == read(*split(random, data)) == messages


def test_hostile_chunks_only_raise_rtmp_errors() -> None:
    random = Random(2)
    session = bytearray(b"".join([bytes.fromhex(data) for _, _, data in CASES]))
    for _ in range(3000):
        data = bytearray(session)
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] = random.randrange(256)
        reader = ChunkReader(Limits(partial=10_000))
        try:
            for piece in split(random, bytes(data)):
                for message in reader.receive_data(piece):
                    assert len(message.payload) <= len(data)
        except RTMPError as error:
            assert "expected" in str(error) or "chunk stream" in str(error)
