from random import Random

import pytest

from mesh.errors import RTMPError
from mesh.media import amf0
from mesh.media.frame import Kind
from mesh.rtmp import chunk, command, message
from mesh.rtmp.chunk import ChunkReader, Limits
from mesh.rtmp.command import Command
from mesh.rtmp.event import MessageReceived, Paused, PlayEnded, PlayRequested, PublishEnded, PublishRequested
from mesh.rtmp.message import Message, Type, UserControl
from mesh.rtmp.session import ServerSession
from tests.rtmp.pair import METADATA, Pair, playing, publishing
from tests.rtmp.recorded import OPENINGS, brief, opening
from tests.rtmp.writer import split


def told(session: ServerSession) -> list[tuple[str, str]]:
    """The commands that a session is about to send: name and code."""
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    calls = [command.decode(m) for m in reader.receive_data(session.data_to_send()) if m.kind == Type.COMMAND]
    return [(call.name, (call.argument(0, dict) or {}).get("code", "")) for call in calls]


@pytest.mark.parametrize(("name", "events"), OPENINGS.items(), ids=OPENINGS)
def test_real_clients_are_understood(name: str, events: list[object]) -> None:
    data = opening(name)
    whole = ServerSession(Random(1)).receive_data(data)
    assert [brief(event) for event in whole] == events
    session = ServerSession(Random(1))
    assert [event for at in range(len(data)) for event in session.receive_data(data[at : at + 1])] == whole
    session = ServerSession(Random(1))
    assert [event for piece in split(Random(2), data) for event in session.receive_data(piece)] == whole


@pytest.mark.parametrize("scheme", [None, 0, 1])
def test_a_publisher_is_accepted_and_its_messages_arrive(scheme: int | None) -> None:
    pair = publishing(scheme)
    frames = [(Kind.META, 0, METADATA), (Kind.VIDEO, 0xFFFFFFF0, bytes(200_000)), (Kind.AUDIO, 16, b"\xaf\1a")]
    for frame in frames:
        pair.client.send(*frame)
    assert pair.exchange()[1] == [MessageReceived(*frame) for frame in frames]


def test_connect_is_answered_as_adobe_does() -> None:
    session = ServerSession(Random(1))
    session.receive_data(opening("ffmpeg-play")[:3073])
    session.data_to_send()
    call = Command("connect", 1, {"app": "live", "objectEncoding": 3})
    session.receive_data(chunk.encode(Type.COMMAND, 0, 0, command.encode(call), 128))
    window, bandwidth, connected = ChunkReader().receive_data(session.data_to_send())
    assert (window.kind, window.payload) == (Type.WINDOW_ACKNOWLEDGEMENT_SIZE, message.uint32(2_500_000))
    assert (bandwidth.kind, bandwidth.payload) == (Type.SET_PEER_BANDWIDTH, message.uint32(2_500_000) + b"\2")
    name, transaction, server, arguments = command.decode(connected)
    assert (name, transaction, server["fmsVer"][:3]) == ("_result", 1, "FMS")
    assert (arguments[0]["code"], arguments[0]["objectEncoding"]) == ("NetConnection.Connect.Success", 3)


def reconnecting(monkeypatch: pytest.MonkeyPatch, **abilities: float) -> Command | None:
    """What a publisher with these abilities is asked when the server wants to be rid of him."""
    monkeypatch.setattr("mesh.rtmp.client.VERSION", abilities)
    session = publishing().server
    asked = session.request_reconnect("rtmp://other:1936", "the node is draining")
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    messages = list(reader.receive_data(session.data_to_send()))
    assert asked == bool(messages) and all(message.stream_id == 0 for message in messages)
    return command.decode(messages[0]) if messages else None


@pytest.mark.parametrize("capabilities", [1.0, 3.0, 15.0])
def test_a_client_that_said_it_can_is_asked_to_reconnect(monkeypatch: pytest.MonkeyPatch, capabilities: float) -> None:
    request = reconnecting(monkeypatch, capsEx=capabilities)
    assert request and request.name == "onStatus"
    assert request.arguments == (
        {
            "level": "status",
            "code": "NetConnection.Connect.ReconnectRequest",
            "description": "the node is draining",
            "tcUrl": "rtmp://other:1936/live",
        },
    )


@pytest.mark.parametrize("abilities", [{}, {"capsEx": 0.0}, {"capsEx": 2.0}, {"capsEx": float("nan")}])
def test_any_other_client_is_not_asked(monkeypatch: pytest.MonkeyPatch, abilities: dict[str, float]) -> None:
    assert reconnecting(monkeypatch, **abilities) is None


@pytest.mark.parametrize(
    ("tc_url", "host"), [("rtmp://h/live", "h"), ("rtmp://[::1]:1935/live", "::1"), ("rtmp://[", ""), ("", "")]
)
def test_the_host_that_a_client_asked_is_known(tc_url: str, host: str) -> None:
    session = Pair().server
    session._tc_url = tc_url
    assert session.asked_host == host


def test_messages_may_follow_a_publish_before_it_is_accepted() -> None:
    pair = Pair()
    pair.client.publish("rtmp://h/live/cam")
    pair.exchange()
    assert pair.send(Type.AUDIO, b"a", 5) == [MessageReceived(Kind.AUDIO, 5, b"a")]


def test_a_publisher_is_rejected_with_a_reason() -> None:
    pair = Pair()
    pair.client.publish("rtmp://h/live/cam")
    pair.exchange()
    pair.server.reject_publish("NetStream.Publish.BadName", "live/cam is live on b")
    assert told(pair.server) == [("onStatus", "NetStream.Publish.BadName")]
    assert pair.send(Type.AUDIO, b"a") == []


def test_a_player_is_told_in_this_order() -> None:
    pair = Pair()
    pair.client.play("rtmp://h/live/cam")
    pair.exchange()
    pair.server.accept_play()
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    begin, reset, start = reader.receive_data(pair.server.data_to_send())
    assert begin == Message(Type.USER_CONTROL, 0, 0, message.user_control(UserControl.STREAM_BEGIN, 1))
    codes = [command.decode(status).arguments[0]["code"] for status in (reset, start)]
    assert codes == ["NetStream.Play.Reset", "NetStream.Play.Start"]
    assert reset.stream_id == start.stream_id == 1


def test_a_player_is_rejected_with_a_reason() -> None:
    pair = Pair()
    pair.client.play("rtmp://h/live/cam")
    pair.exchange()
    pair.server.reject_play("NetStream.Play.StreamNotFound", "no node has live/cam")
    assert told(pair.server) == [("onStatus", "NetStream.Play.StreamNotFound")]


def test_a_player_is_told_of_the_end() -> None:
    pair = playing()
    pair.server.end_play("the publisher left")
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    notify, end = reader.receive_data(pair.server.data_to_send())
    assert command.decode(notify).arguments[0]["code"] == "NetStream.Play.UnpublishNotify"
    assert end.payload == message.user_control(UserControl.STREAM_EOF, 1)
    assert pair.call("deleteStream", 1.0) == []


def test_shared_chunks_are_understood_by_a_player() -> None:
    pair = playing()
    frames = [(Kind.VIDEO, 0x1000000 + 40 * number, bytes([number]) * 70_000) for number in range(3)]
    data = b"".join([chunk.encode(kind, time, 1, payload) for kind, time, payload in frames])
    assert pair.client.receive_data(data) == [MessageReceived(*frame) for frame in frames]


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        (Type.DATA, command.SET_DATA_FRAME + METADATA, METADATA),
        (Type.DATA, METADATA, METADATA),
        (Type.DATA_AMF3, b"\0" + command.SET_DATA_FRAME + METADATA, METADATA),
        (Type.DATA, amf0.encode("onTextData", {"text": "hi"}), amf0.encode("onTextData", {"text": "hi"})),
        (Type.DATA, command.CLEAR_DATA_FRAME, None),
        (Type.DATA, command.SET_DATA_FRAME, None),
        (Type.VIDEO, b"\x93hvc1 and whatever", b"\x93hvc1 and whatever"),
        (Type.VIDEO, b"\x96\x00avc1\x01 a second track", b"\x96\x00avc1\x01 a second track"),
        (Type.AUDIO, b"", None),
    ],
)
def test_payloads_are_the_bodies_of_flv_tags(kind: int, payload: bytes, expected: bytes | None) -> None:
    pair = publishing()
    kinds = {Type.DATA_AMF3: Kind.META}
    events = [MessageReceived(kinds.get(kind) or Kind(kind), 7, expected)] if expected else []  # type: ignore[call-overload]
    assert pair.send(kind, payload, 7) == events


@pytest.mark.parametrize("name", ["FCUnpublish", "deleteStream", "closeStream"])
def test_a_publisher_that_ends_may_begin_again(name: str) -> None:
    pair = publishing()
    assert pair.call(name, "cam") == [PublishEnded(name)]
    assert pair.call(name, "cam") == []
    assert pair.send(Type.AUDIO, b"a") == []
    assert pair.call("publish", "b", "live") == [PublishRequested("live", "b", {})]


def test_an_end_is_answered() -> None:
    pair = publishing()
    pair.client._call("FCUnpublish", 9, "cam")
    pair.server.receive_data(pair.client.data_to_send())
    unpublished = "NetStream.Unpublish.Success"
    assert told(pair.server) == [("_result", ""), ("onFCUnpublish", unpublished), ("onStatus", unpublished)]


def test_a_player_that_ends_may_begin_again() -> None:
    pair = playing()
    assert pair.call("closeStream") == [PlayEnded("closeStream")]
    assert pair.call("play", "b", 0.0) == [PlayRequested("live", "b", {}, 0)]


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("releaseStream", ["cam"], [("_result", "")]),
        ("FCPublish", ["cam"], [("_result", ""), ("onFCPublish", "NetStream.Publish.Start")]),
        ("FCSubscribe", ["cam"], [("_result", ""), ("onFCSubscribe", "NetStream.Play.Start")]),
        ("createStream", [], [("_result", "")]),
        ("getStreamLength", ["cam"], [("_result", "")]),
        ("_checkbw", [], [("_result", "")]),
        ("receiveAudio", [True], [("_result", "")]),
        ("receiveVideo", [False], [("_result", "")]),
        ("seek", [0.0], [("onStatus", "NetStream.Seek.Failed")]),
        ("whatever", [], [("_result", "")]),
    ],
)
def test_other_calls_are_answered_at_once(name: str, arguments: list[object], answer: list[tuple[str, str]]) -> None:
    pair = playing()
    pair.client._call(name, 9, *arguments)  # type: ignore[arg-type]
    assert pair.server.receive_data(pair.client.data_to_send()) == []
    assert told(pair.server) == answer


def test_a_call_without_a_transaction_gets_no_result() -> None:
    pair = playing()
    pair.client._call("_checkbw", 0)
    assert pair.server.receive_data(pair.client.data_to_send()) == []
    assert pair.server.data_to_send() == b""


def test_pause_and_its_end_are_events() -> None:
    pair = playing()
    assert pair.call("pause", True, 1000.0) == [Paused(True)]
    assert pair.call("pauseRaw", False, 1000.0) == [Paused(False)]
    pair.client._call("pause", 0, True)
    pair.server.receive_data(pair.client.data_to_send())
    assert told(pair.server) == [("onStatus", "NetStream.Pause.Notify")]
    assert publishing().call("pause", True) == []


def test_amf3_commands_that_are_amf0_behind_one_byte_are_understood() -> None:
    pair = playing()
    body = command.encode(Command("pause", 0, None, (True,)))
    assert pair.send(Type.COMMAND_AMF3, b"\0" + body) == [Paused(True)]


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("connect", [], "command 'connect' on a connection that is player"),
        ("publish", ["b", "live"], "publish by a client that is a player already"),
        ("play", ["b"], "play by a client that is a player already"),
    ],
)
def test_a_connection_carries_one_stream(name: str, arguments: list[object], reason: str) -> None:
    with pytest.raises(RTMPError, match=reason):
        playing().call(name, *arguments)


def test_connect_comes_first() -> None:
    pair = Pair()
    pair.client._call("createStream", 1)
    with pytest.raises(RTMPError, match="command 'createStream' on a connection that is new"):
        pair.exchange()


def test_connect_needs_an_object() -> None:
    pair = Pair()
    pair.client._call("connect", 1)
    with pytest.raises(RTMPError, match="connect with None, expected an object"):
        pair.exchange()


@pytest.mark.parametrize(
    ("name", "code"), [("publish", "NetStream.Publish.BadName"), ("play", "NetStream.Play.StreamNotFound")]
)
def test_a_stream_without_a_name_is_refused_with_a_status(name: str, code: str) -> None:
    pair = Pair()
    pair.client._connection.call(Command("connect", 1, {"app": "live"}))
    with pytest.raises(RTMPError, match="stream 'live/', expected APP/NAME"):
        pair.call(name, None)
    assert told(pair.server) == [("_result", "NetConnection.Connect.Success"), ("onStatus", code)]


def test_a_client_that_does_not_publish_has_nothing_long_to_say() -> None:
    with pytest.raises(RTMPError, match="message of 70000 bytes, expected no more than 65536"):
        playing().send(Type.VIDEO, bytes(70_000))


def test_limits_are_the_drivers_to_choose() -> None:
    pair = Pair()
    pair.server = ServerSession(Random(2), Limits(message=1000))
    pair.client.publish("rtmp://h/live/cam")
    pair.exchange()
    with pytest.raises(RTMPError, match="message of 1001 bytes, expected no more than 1000"):
        pair.send(Type.VIDEO, bytes(1001))


@pytest.mark.parametrize("name", OPENINGS)
def test_mutated_sessions_only_raise_rtmp_errors(name: str) -> None:
    random = Random(name)
    whole = opening(name)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(random.randint(1, 6)):
            data[random.randrange(3073, len(data))] = random.randrange(256)
        session = ServerSession(Random(1))
        try:
            for piece in split(random, bytes(data)):
                session.receive_data(piece)
        except RTMPError as error:
            assert len(str(error)) < 600
        assert len(session.data_to_send()) < 20_000


def test_random_bytes_only_raise_rtmp_errors() -> None:
    random = Random(4)
    for _ in range(300):
        session = ServerSession(Random(1))
        try:
            session.receive_data(b"\3" + random.randbytes(3072))
            session.receive_data(random.randbytes(2000))
        except RTMPError:
            pass
