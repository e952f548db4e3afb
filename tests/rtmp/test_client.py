import pytest

from mesh.errors import RTMPError
from mesh.media import amf0
from mesh.media.frame import Kind
from mesh.rtmp import chunk, command
from mesh.rtmp.chunk import ChunkReader
from mesh.rtmp.command import Command
from mesh.rtmp.connection import WINDOW
from mesh.rtmp.event import (
    Event,
    MessageReceived,
    PlayEnded,
    Playing,
    PlayRequested,
    Published,
    PublishEnded,
    PublishRequested,
    Rejected,
)
from mesh.rtmp.message import Message, Type
from tests.rtmp.pair import METADATA, Pair, playing, publishing


def reply(pair: Pair, call: Command) -> list[Event]:
    """What the client makes of a command."""
    return pair.client.receive_data(chunk.encode(Type.COMMAND, 0, 1, command.encode(call)))


def status(code: str, level: str = "status") -> Command:
    return Command("onStatus", 0, None, (command.status(code, "why", level),))


@pytest.mark.parametrize("scheme", [None, 0, 1])
def test_a_publisher_gets_from_the_address_to_the_stream(scheme: int | None) -> None:
    pair = Pair(scheme)
    pair.client.publish("rtmp://h/a/b/cam?token=abc")
    assert pair.exchange() == ([], [PublishRequested("a/b", "cam", {"token": "abc"})])
    pair.server.accept_publish()
    assert pair.exchange() == ([Published()], [])


def test_a_player_gets_from_the_address_to_the_stream() -> None:
    pair = Pair()
    pair.client.play("rtmp://h/live/cam?wait=5")
    assert pair.exchange() == ([], [PlayRequested("live", "cam", {"wait": "5"}, -2000)])
    pair.server.accept_play()
    assert pair.exchange() == ([Playing()], [])


def test_a_client_announces_its_chunks_and_its_window() -> None:
    pair = Pair()
    connection = pair.server._connection
    connection._window = 0
    pair.client.play("rtmp://h/live/cam")
    pair.exchange()
    assert (connection._reader.chunk_size, connection._window) == (chunk.SIZE, WINDOW)


@pytest.mark.parametrize("action", ["publish", "play"])
def test_a_refusal_is_an_event(action: str) -> None:
    pair = Pair()
    getattr(pair.client, action)("rtmp://h/live/cam")
    pair.exchange()
    getattr(pair.server, f"reject_{action}")("NetStream.Some.Reason", "not today")
    assert pair.exchange()[0] == [Rejected("NetStream.Some.Reason", "not today")]


def test_a_publisher_says_when_it_is_done() -> None:
    pair = publishing()
    pair.client.close()
    at_client, at_server = pair.exchange()
    assert at_server == [PublishEnded("FCUnpublish")]
    assert at_client == [PublishEnded("FCUnpublish")]


def test_a_player_says_when_it_is_done() -> None:
    pair = playing()
    pair.client.close()
    assert pair.exchange()[1] == [PlayEnded("deleteStream")]


def test_a_player_hears_of_the_end() -> None:
    pair = playing()
    pair.server.end_play("the publisher left")
    assert pair.exchange()[0] == [PlayEnded("the publisher left")]


def test_metadata_are_sent_to_be_kept() -> None:
    pair = publishing()
    pair.client.send(Kind.META, 0, METADATA)
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    sent = list(reader.receive_data(pair.client.data_to_send()))
    assert sent == [Message(Type.DATA, 0, 1, amf0.encode("@setDataFrame") + METADATA)]


@pytest.mark.parametrize("kind", [Kind.AUDIO, Kind.VIDEO, Kind.META])
def test_a_player_receives_messages(kind: Kind) -> None:
    data = chunk.encode(kind, 7, 1, b"a") + chunk.encode(kind, 8, 1, b"")
    assert playing().client.receive_data(data) == [MessageReceived(kind, 7, b"a")]


@pytest.mark.parametrize("transaction", [1, 4, 5])
def test_an_error_is_a_refusal(transaction: int) -> None:
    error = Command("_error", transaction, None, (command.status("NetConnection.Connect.Rejected", "no"),))
    assert reply(playing(), error) == [Rejected("NetConnection.Connect.Rejected", "no")]


@pytest.mark.parametrize(
    ("call", "events"),
    [
        (status("NetStream.Play.Complete"), [PlayEnded("why")]),
        (status("NetStream.Play.Stop"), [PlayEnded("why")]),
        (status("NetStream.Play.Failed", "error"), [Rejected("NetStream.Play.Failed", "why")]),
        (status("NetStream.Play.Reset"), []),
        (Command("onStatus", 0), []),
        (Command("onBWDone", 0), []),
        (Command("_error", 2), []),
        (Command("_result", 99), []),
    ],
)
def test_other_servers_say_more(call: Command, events: list[Event]) -> None:
    assert reply(playing(), call) == events


@pytest.mark.parametrize("stream_id", [None, "x", -1.0, float("nan"), 2.0**32])
def test_a_stream_has_an_id(stream_id: object) -> None:
    with pytest.raises(RTMPError, match="expected the id of a message stream"):
        reply(playing(), Command("_result", 4, None, (stream_id,)))


def test_the_server_names_the_stream() -> None:
    pair = publishing()
    reply(pair, Command("_result", 4, None, (7,)))
    pair.client.send(Kind.AUDIO, 0, b"a")
    reader = ChunkReader()
    reader.chunk_size = chunk.SIZE
    publish, audio = reader.receive_data(pair.client.data_to_send())
    assert (publish.stream_id, audio.stream_id) == (7, 7)


def test_an_address_of_something_else_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="is not of the form rtmp://HOST"):
        Pair().client.play("http://h/live/cam.flv")
