from itertools import pairwise

import pytest

from mesh.errors import RTMPError
from mesh.rtmp import message
from mesh.rtmp.chunk import ChunkReader
from mesh.rtmp.connection import WINDOW
from mesh.rtmp.event import MessageReceived
from mesh.rtmp.message import WRAP, Message, Type, UserControl
from tests.rtmp.pair import Pair, publishing
from tests.rtmp.recorded import opening
from tests.rtmp.test_message import aggregate


def sent(pair: Pair, *data: bytes) -> list[Message]:
    """What the server sends when it receives this from a client that publishes."""
    for piece in data:
        pair.server.receive_data(piece)
    reader = ChunkReader()
    reader.chunk_size = 65536
    return list(reader.receive_data(pair.server.data_to_send()))


def written(pair: Pair, kind: int, payload: bytes) -> bytes:
    """A message as the client writes it."""
    pair.client._connection.send(kind, payload, 0, 1)
    return pair.client.data_to_send()


def acknowledgements(messages: list[Message]) -> list[int]:
    return [message.read_uint32(reply) for reply in messages if reply.kind == Type.ACKNOWLEDGEMENT]


def test_messages_wait_for_the_end_of_the_handshake() -> None:
    pair = Pair()
    pair.client.play("rtmp://h/live/cam")
    assert len(pair.client.data_to_send()) == 1537
    assert pair.client.data_to_send() == b""


def test_a_handshake_may_come_with_everything_after_it() -> None:
    data = opening("ffmpeg-play")
    whole, pieces = Pair().server, Pair().server
    assert whole.receive_data(data) == [e for at in range(len(data)) for e in pieces.receive_data(data[at : at + 1])]
    assert whole.data_to_send() == pieces.data_to_send()


def test_bytes_are_acknowledged_each_window() -> None:
    pair = publishing()
    frame = written(pair, Type.VIDEO, bytes(60_000))
    (first,) = acknowledgements(sent(pair, *[frame] * (WINDOW // 60_000 + 1)))
    assert WINDOW <= first < WINDOW + 65_536
    assert acknowledgements(sent(pair, *[frame] * 5)) == []


def test_the_client_chooses_the_window() -> None:
    pair = publishing()
    frame = written(pair, Type.VIDEO, bytes(990))
    sent(pair, written(pair, Type.WINDOW_ACKNOWLEDGEMENT_SIZE, message.uint32(5000)))
    seen = acknowledgements(sent(pair, *[frame] * 50))
    assert all([later - former >= 5000 for former, later in pairwise(seen)])
    assert len(seen) >= 8
    sent(pair, written(pair, Type.WINDOW_ACKNOWLEDGEMENT_SIZE, message.uint32(0)))
    assert acknowledgements(sent(pair, *[frame] * 50)) == []


def test_the_sequence_number_wraps() -> None:
    pair = publishing()
    pair.server._connection._received = pair.server._connection._acknowledged = WRAP - 10
    sent(pair, written(pair, Type.WINDOW_ACKNOWLEDGEMENT_SIZE, message.uint32(1000)))
    (number,) = acknowledgements(sent(pair, written(pair, Type.VIDEO, bytes(2000))))
    assert 2000 - 10 < number < 2100


def test_a_bandwidth_is_answered_with_a_window_once() -> None:
    pair = publishing()
    limit = written(pair, Type.SET_PEER_BANDWIDTH, message.peer_bandwidth(70_000))
    assert sent(pair, limit) == [Message(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, 0, 0, message.uint32(70_000))]
    assert sent(pair, limit) == []


def test_a_ping_is_answered_with_its_own_time() -> None:
    pair = publishing()
    ping = written(pair, Type.USER_CONTROL, message.user_control(UserControl.PING_REQUEST, 0xFFFFFFFE))
    pong = message.user_control(UserControl.PING_RESPONSE, 0xFFFFFFFE)
    assert sent(pair, ping) == [Message(Type.USER_CONTROL, 0, 0, pong)]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Type.ACKNOWLEDGEMENT, b""),
        (Type.USER_CONTROL, message.user_control(UserControl.SET_BUFFER_LENGTH, 1)),
        (Type.USER_CONTROL, message.user_control(UserControl.PING_RESPONSE, 1)),
        (16, b"shared object"),
        (99, b""),
    ],
)
def test_what_needs_no_answer_gets_none(kind: int, payload: bytes) -> None:
    pair = publishing()
    assert sent(pair, written(pair, kind, payload)) == []


def test_aggregates_are_taken_apart() -> None:
    pair = publishing()
    whole = aggregate((8, 70, b"a"), (9, 93, b"bc"))
    assert pair.send(whole.kind, whole.payload, 1000) == [
        MessageReceived(8, 1000, b"a"),
        MessageReceived(9, 1023, b"bc"),
    ]


def test_a_window_without_a_number_is_an_error() -> None:
    pair = publishing()
    with pytest.raises(RTMPError, match="message of type 5 has 0 bytes, expected 4"):
        pair.send(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, b"")
