"""ClientSession: a connection to an RTMP server as the client sees it, to publish one stream or to play one."""

import reprlib
from collections.abc import Callable
from random import Random

from mesh.errors import RTMPError
from mesh.media import amf0
from mesh.media.frame import Kind
from mesh.rtmp import chunk, command, handshake, url
from mesh.rtmp.chunk import LIMITS, Limits
from mesh.rtmp.command import Command
from mesh.rtmp.connection import WINDOW, Connection
from mesh.rtmp.event import Event, MessageReceived, PlayEnded, Playing, Published, PublishEnded, Rejected
from mesh.rtmp.message import Message, Type, uint32

VERSION = {"flashVer": "FMLE/3.0 (compatible; Mediamesh)", "type": "nonprivate", "capabilities": 15.0}
"""Who we say we are; servers know encoders by the first word."""

CONNECT, RELEASE, ANNOUNCE, CREATE, BEGIN = range(1, 6)
"""The transactions of our calls."""


class ClientSession:
    """The client's side of one connection."""

    def __init__(
        self, random: Random, scheme: int | None = 0, limits: Limits = LIMITS, chunk_size: int = chunk.SIZE
    ) -> None:
        self._connection = Connection(handshake.client(random, scheme), limits)
        self._chunk_size = chunk_size
        self._stream_id = 0
        self._name = ""
        self._publishes = False

    def publish(self, address: str) -> None:
        """Ask to publish to `rtmp://HOST/APP/NAME?token=...`; `Published` or `Rejected` follows."""
        self._publishes = True
        self._connect(url.parse(address))

    def play(self, address: str) -> None:
        """Ask to play `rtmp://HOST/APP/NAME?token=...`; `Playing` or `Rejected` follows."""
        self._connect(url.parse(address))

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """What these bytes amount to. After an `RTMPError`, close."""
        events = []
        for message in self._connection.receive_data(data):
            receive = _RECEIVE.get(message.kind)
            event = receive(self, message) if receive else None
            if event is not None:
                events.append(event)
        return events

    def data_to_send(self) -> bytes:
        """Takes what is to be written."""
        return self._connection.data_to_send()

    def send(self, kind: Kind, timestamp: int, payload: bytes) -> None:
        """Publish one message; `payload` is the body of its FLV tag."""
        self._connection.send(kind, _named(kind, payload), timestamp, self._stream_id)

    def encode(self, kind: Kind, timestamp: int, payload: bytes) -> bytes:
        """The same message as bytes, for whoever publishes to many servers at once what he encodes but once."""
        return chunk.encode(kind, timestamp, self._stream_id, _named(kind, payload), self._chunk_size)

    def close(self) -> None:
        """Say that we are done."""
        if self._publishes:
            self._call("FCUnpublish", 0, self._name)
        self._call("deleteStream", 0, float(self._stream_id))

    def _connect(self, address: url.URL) -> None:
        self._name = address.name
        self._connection.set_chunk_size(self._chunk_size)
        target = {"app": address.app, "tcUrl": address.tc_url, **VERSION}
        self._connection.call(Command("connect", CONNECT, target))

    def _create_stream(self, reply: Command) -> None:
        if self._publishes:
            self._call("releaseStream", RELEASE, self._name)
            self._call("FCPublish", ANNOUNCE, self._name)
        self._connection.send(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, uint32(WINDOW))
        self._call("createStream", CREATE)

    def _use_stream(self, reply: Command) -> None:
        stream_id = reply.argument(0, float)
        if stream_id is None or not 0 <= stream_id < 1 << 32:
            raise RTMPError(f"createStream gave {reprlib.repr(reply.arguments)}, expected the id of a message stream")
        self._stream_id = int(stream_id)
        if self._publishes:
            self._call("publish", BEGIN, self._name, "live")
        else:
            self._call("play", BEGIN, self._name)

    def _call(self, name: str, transaction: int, *arguments: amf0.Value) -> None:
        stream_id = self._stream_id if transaction == BEGIN else 0
        self._connection.call(Command(name, transaction, None, arguments), stream_id)

    def _receive_media(self, message: Message) -> Event | None:
        return MessageReceived(Kind(message.kind), message.timestamp, message.payload) if message.payload else None

    def _receive_command(self, message: Message) -> Event | None:
        reply = command.decode(message)
        if reply.name == "_result" and reply.transaction in _RESULTS:
            _RESULTS[reply.transaction](self, reply)
        elif reply.name == "_error" and reply.transaction in (CONNECT, CREATE, BEGIN):
            return Rejected(*_code_and_description(reply))
        elif reply.name == "onStatus":
            return _status(reply)
        return None


def _named(kind: Kind, payload: bytes) -> bytes:
    """Metadata begins with what servers are to do with it."""
    return command.SET_DATA_FRAME + payload if kind == Kind.META else payload


def _code_and_description(reply: Command) -> tuple[str, str]:
    told = reply.argument(0, dict) or {}
    return str(told.get("code", "")), str(told.get("description", ""))


def _status(reply: Command) -> Event | None:
    code, description = _code_and_description(reply)
    if (reply.argument(0, dict) or {}).get("level") == "error":
        return Rejected(code, description)
    event = _EVENTS.get(code)
    return event(description) if event else None


_RECEIVE: dict[int, Callable[[ClientSession, Message], Event | None]] = {
    Type.AUDIO: ClientSession._receive_media,
    Type.VIDEO: ClientSession._receive_media,
    Type.DATA: ClientSession._receive_media,
    Type.COMMAND: ClientSession._receive_command,
    Type.COMMAND_AMF3: ClientSession._receive_command,
}

_RESULTS: dict[float, Callable[[ClientSession, Command], None]] = {
    CONNECT: ClientSession._create_stream,
    CREATE: ClientSession._use_stream,
}

_EVENTS: dict[str, Callable[[str], Event]] = {
    "NetStream.Publish.Start": lambda description: Published(),
    "NetStream.Unpublish.Success": PublishEnded,
    "NetStream.Play.Start": lambda description: Playing(),
    "NetStream.Play.Stop": PlayEnded,
    "NetStream.Play.Complete": PlayEnded,
    "NetStream.Play.UnpublishNotify": PlayEnded,
}
