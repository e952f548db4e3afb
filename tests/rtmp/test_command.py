import pytest

from mesh.errors import RTMPError
from mesh.media import amf0
from mesh.rtmp import command
from mesh.rtmp.command import Command
from mesh.rtmp.message import Message, Type

CASES = [
    Command("connect", 1.0, {"app": "live"}),
    Command("createStream", 4.0),
    Command("publish", 5.0, None, ("cam?token=abc", "live")),
    Command("onStatus", 0.0, None, (command.status("NetStream.Play.Start", "playing"),)),
]
MALFORMED = [
    (b"", "command begins with"),
    (amf0.encode(1, 1, None), "command begins with"),
    (amf0.encode("play", "x"), "command begins with"),
    (b"\x02\x00\x04play"[:5], "command: AMF0 ends at byte 5"),
    (b"\x11", "command: AMF0 AMF3 value 0x11 at byte 0"),
]


@pytest.mark.parametrize("call", CASES, ids=[call.name for call in CASES])
def test_a_command_comes_back_as_it_was(call: Command) -> None:
    body = command.encode(call)
    assert command.decode(Message(Type.COMMAND, 0, 0, body)) == call
    assert command.decode(Message(Type.COMMAND_AMF3, 0, 0, b"\0" + body)) == call


def test_a_name_alone_is_a_command_too() -> None:
    # ffmpeg's server sends such an onFCPublish.
    assert command.decode(Message(Type.COMMAND, 0, 0, amf0.encode("onFCPublish"))) == Command("onFCPublish", 0.0)


@pytest.mark.parametrize(("body", "reason"), MALFORMED)
def test_what_is_not_a_command_is_an_error(body: bytes, reason: str) -> None:
    with pytest.raises(RTMPError, match=reason):
        command.decode(Message(Type.COMMAND, 0, 0, body))


def test_amf3_without_amf0_in_it_is_refused() -> None:
    with pytest.raises(RTMPError, match="AMF3 command begins with 0x0a, expected 0x00 and AMF0"):
        command.decode(Message(Type.COMMAND_AMF3, 0, 0, b"\x0a"))


def test_a_command_is_no_place_to_send_megabytes() -> None:
    with pytest.raises(RTMPError, match="command: AMF0 of 70008 bytes, expected no more than 65536"):
        command.decode(Message(Type.COMMAND, 0, 0, amf0.encode("x") + bytes(4) + bytes(70_000)))


def test_an_argument_is_given_only_if_it_is_what_was_expected() -> None:
    call = Command("play", 4.0, None, ("cam", -2000.0))
    assert call.argument(0, str) == "cam"
    assert call.argument(1, float) == -2000.0
    assert call.argument(1, str) is None
    assert call.argument(2, float) is None


def test_a_result_carries_the_transaction_of_its_call() -> None:
    call = Command("createStream", 4.0)
    assert command.result(call, 1) == Command("_result", 4.0, None, (1,))
