from enum import IntEnum
from random import Random

import pytest

from mesh.errors import RTMPError
from mesh.rtmp import message
from mesh.rtmp.message import Message, Type, UserControl

CASES = [
    ("chunk size", message.uint32(4096), "00001000"),
    ("peer bandwidth", message.peer_bandwidth(2_500_000), "002625a0 02"),
    ("stream begin", message.user_control(UserControl.STREAM_BEGIN, 1), "0000 00000001"),
    ("ping response", message.user_control(UserControl.PING_RESPONSE, 0x01020304), "0007 01020304"),
]


NUMBERS = {
    Type: {
        "SET_CHUNK_SIZE": 1,
        "ABORT": 2,
        "ACKNOWLEDGEMENT": 3,
        "USER_CONTROL": 4,
        "WINDOW_ACKNOWLEDGEMENT_SIZE": 5,
        "SET_PEER_BANDWIDTH": 6,
        "AUDIO": 8,
        "VIDEO": 9,
        "DATA_AMF3": 15,
        "COMMAND_AMF3": 17,
        "DATA": 18,
        "COMMAND": 20,
        "AGGREGATE": 22,
    },
    UserControl: {
        "STREAM_BEGIN": 0,
        "STREAM_EOF": 1,
        "SET_BUFFER_LENGTH": 3,
        "PING_REQUEST": 6,
        "PING_RESPONSE": 7,
    },
}


def aggregate(*tags: tuple[int, int, bytes], timestamp: int = 1000) -> Message:
    """An aggregate of tags with these types, times and bodies."""
    parts = []
    for kind, time, body in tags:
        low = (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24])
        back = (len(body) + 11).to_bytes(4, "big")
        parts.append(bytes([kind]) + len(body).to_bytes(3, "big") + low + bytes(3) + body + back)
    return Message(Type.AGGREGATE, timestamp, 1, b"".join(parts))


@pytest.mark.parametrize(("cls", "numbers"), NUMBERS.items())
def test_numbers_are_those_of_the_specification(cls: type[IntEnum], numbers: dict[str, int]) -> None:
    assert {member.name: member.value for member in cls} == numbers


@pytest.mark.parametrize(("body", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bodies_are_as_the_specification_has_them(body: bytes, data: str) -> None:
    assert body == bytes.fromhex(data)


def test_a_number_may_be_followed_by_more() -> None:
    assert message.read_uint32(Message(5, 0, 0, bytes.fromhex("0026 25a0 02"))) == 2_500_000


def test_an_event_may_come_without_its_value() -> None:
    assert message.read_user_control(Message(4, 0, 0, b"\0\6\0\0\0\5")) == (UserControl.PING_REQUEST, 5)
    assert message.read_user_control(Message(4, 0, 0, b"\0\x20")) == (32, 0)


def test_bodies_that_are_too_short_are_errors() -> None:
    with pytest.raises(RTMPError, match="message of type 5 has 3 bytes, expected 4"):
        message.read_uint32(Message(5, 0, 0, bytes(3)))
    with pytest.raises(RTMPError, match="user control message of 1 bytes, expected 2 or more"):
        message.read_user_control(Message(4, 0, 0, b"\0"))


def test_an_aggregate_becomes_messages_with_times_from_its_own_on() -> None:
    whole = aggregate((8, 70, b"a"), (9, 93, b"bc"), (8, 60, b""), timestamp=1000)
    expected = [Message(8, 1000, 1, b"a"), Message(9, 1023, 1, b"bc"), Message(8, 990, 1, b"")]
    assert list(message.split_aggregate(whole)) == expected
    assert list(message.split_aggregate(whole._replace(payload=whole.payload[:-4]))) == expected


def test_times_and_sizes_in_an_aggregate_have_all_their_bits() -> None:
    whole = aggregate((8, 0, bytes(0x10203)), (8, 0x12345678, b"b"), timestamp=0xF0000000)
    first, second = message.split_aggregate(whole)
    assert (len(first.payload), first.timestamp) == (0x10203, 0xF0000000)
    assert (second.payload, second.timestamp) == (b"b", 0x02345678)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("08 000001", "aggregate ends 4 bytes into a tag header, expected 11"),
        ("08 000000 000000 00 000000 0000000b 08", "aggregate ends 1 bytes into a tag header, expected 11"),
        ("08 000005 000000 00 000000 0000", "aggregate has a tag of 5 bytes in the 2 that are left"),
    ],
)
def test_an_aggregate_that_is_cut_short_is_an_error(data: str, reason: str) -> None:
    with pytest.raises(RTMPError, match=reason):
        list(message.split_aggregate(Message(22, 0, 1, bytes.fromhex(data))))


def test_hostile_aggregates_only_raise_rtmp_errors() -> None:
    random = Random(3)
    whole = aggregate((8, 70, b"abc"), (9, 93, b"defg"))
    for _ in range(2000):
        body = bytearray(whole.payload)
        body[random.randrange(len(body))] = random.randrange(256)
        try:
            parts = list(message.split_aggregate(whole._replace(payload=bytes(body))))
            assert sum([len(part.payload) for part in parts]) <= len(body)
        except RTMPError as error:
            assert "aggregate" in str(error)
