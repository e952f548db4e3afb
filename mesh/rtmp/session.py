"""ServerSession: a client's connection as the server sees it: bytes in, events out.

Whatever needs no decision a session answers by itself. A publish or a play needs one: an event tells the driver, which
calls `accept_...` or `reject_...`. A connection carries one stream at a time, always as message stream 1.

The frames of a player are not written here: the fan-out shares their chunks among all players, cut to `chunk.SIZE`,
which every client is told before anything else.
"""

import reprlib
from collections.abc import Callable
from enum import Enum
from random import Random

from mesh.errors import RTMPError
from mesh.media.frame import AUDIO, VIDEO, Kind
from mesh.rtmp import chunk, command, handshake, url
from mesh.rtmp.chunk import LIMITS, Limits
from mesh.rtmp.command import Command, result, status
from mesh.rtmp.connection import STREAM, WINDOW, Connection
from mesh.rtmp.event import Event, MessageReceived, Paused, PlayEnded, PlayRequested, PublishEnded, PublishRequested
from mesh.rtmp.message import Message, Type, UserControl, peer_bandwidth, uint32, user_control

MODEST = Limits(message=command.MAX_BYTES, partial=2 * command.MAX_BYTES)
"""The limits of a client that has not asked to publish: it has nothing long to say."""

LIVE = -2000.0
"""The start of a play that names none (7.2.2.1): what is live, in ms as it really travels."""

RECONNECT = 1
"""The bit of `capsEx` by which a client says that it reconnects when it is asked to (Enhanced RTMP 2)."""

VERSION = {"fmsVer": "FMS/3,5,1,1", "capabilities": 31}
"""Who we say we are; some clients want a number that they know."""


class State(Enum):
    """What the client is to us."""

    NEW = "new"
    CONNECTED = "connected"
    PUBLISHER = "publisher"
    PLAYER = "player"


PUBLISHER = State.PUBLISHER
MEDIA = frozenset({AUDIO, VIDEO})
"""What comes thousands of times a second, and takes the shortest way."""


class ServerSession:
    """The server's side of one connection."""

    def __init__(self, random: Random, limits: Limits = LIMITS) -> None:
        self._connection = Connection(handshake.server(random), MODEST)
        self._limits = limits
        self._state = State.NEW
        self._app = self._tc_url = ""
        self._reconnects = False

    @property
    def asked_host(self) -> str:
        """The host by which the client found this server."""
        return url.host_of(self._tc_url)

    def receive_data(self, data: bytes | bytearray | memoryview) -> list[Event]:
        """What these bytes amount to. After an `RTMPError`, send what there is to send and close."""
        events: list[Event] = []
        for message in self._connection.receive_data(data):
            if message.kind in MEDIA:
                if message.payload and self._state is PUBLISHER:
                    events.append(MessageReceived(message.kind, message.timestamp, message.payload))
            elif receive := _RECEIVE.get(message.kind):
                event = receive(self, message)
                if event is not None:
                    events.append(event)
        return events

    def data_to_send(self) -> bytes:
        """Takes what is to be written."""
        return self._connection.data_to_send()

    def accept_publish(self) -> None:
        """Let the publisher begin."""
        self._status("NetStream.Publish.Start", "publishing")

    def reject_publish(self, code: str, description: str) -> None:
        """Refuse the publisher; then close, since many clients understand nothing else."""
        self._reject(code, description)

    def accept_play(self) -> None:
        """Tell the player that frames follow."""
        self._user_control(UserControl.STREAM_BEGIN)
        self._status("NetStream.Play.Reset", "resetting")
        self._status("NetStream.Play.Start", "playing")

    def reject_play(self, code: str, description: str) -> None:
        """Refuse the player; then close, since many clients understand nothing else."""
        self._reject(code, description)

    def end_play(self, description: str) -> None:
        """Tell the player that the stream is over."""
        self._status("NetStream.Play.UnpublishNotify", description)
        self._user_control(UserControl.STREAM_EOF)
        self._state = State.CONNECTED

    def request_reconnect(self, origin: str, description: str) -> bool:
        """Ask the client to go on at `rtmp://HOST:PORT`, or where it is if that is ""; False if it never said it can.

        It closes this connection itself, when it is about to send a keyframe.
        """
        if self._reconnects:
            place = {"tcUrl": f"{origin}/{self._app}"} if origin else {}
            request = status("NetConnection.Connect.ReconnectRequest", description, **place)
            self._connection.call(Command("onStatus", 0, None, (request,)))
        return self._reconnects

    def _receive_metadata(self, message: Message) -> Event | None:
        payload = message.payload[1:] if message.kind == Type.DATA_AMF3 else message.payload
        if payload.startswith(command.CLEAR_DATA_FRAME):
            return None
        payload = payload.removeprefix(command.SET_DATA_FRAME)
        if not payload or self._state is not PUBLISHER:
            return None
        return MessageReceived(Kind.META, message.timestamp, payload)

    def _receive_command(self, message: Message) -> Event | None:
        call = command.decode(message)
        if (self._state is State.NEW) != (call.name == "connect"):
            raise RTMPError(f"command {reprlib.repr(call.name)} on a connection that is {self._state.value}")
        return _COMMANDS.get(call.name, ServerSession._answer)(self, call)

    def _accept_connect(self, call: Command) -> None:
        if not isinstance(call.object, dict):
            raise RTMPError(f"connect with {reprlib.repr(call.object)}, expected an object")
        self._state = State.CONNECTED
        self._app, self._tc_url = (str(call.object.get(key) or "") for key in ("app", "tcUrl"))
        abilities = call.object.get("capsEx")
        self._reconnects = isinstance(abilities, float) and abilities % 2 >= RECONNECT
        self._connection.send(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, uint32(WINDOW))
        self._connection.send(Type.SET_PEER_BANDWIDTH, peer_bandwidth(WINDOW))
        self._connection.set_chunk_size(chunk.SIZE)
        encoding = 3.0 if call.object.get("objectEncoding") == 3 else 0.0
        success = status("NetConnection.Connect.Success", "connected", objectEncoding=encoding)
        self._connection.call(result(call, success, object=VERSION))

    def _create_stream(self, call: Command) -> None:
        self._connection.call(result(call, STREAM))

    def _request_publish(self, call: Command) -> Event:
        target = self._target(call, "NetStream.Publish.BadName")
        self._state = State.PUBLISHER
        self._connection.set_limits(self._limits)
        return PublishRequested(*target)

    def _request_play(self, call: Command) -> Event:
        target = self._target(call, "NetStream.Play.StreamNotFound")
        self._state = State.PLAYER
        start = call.argument(1, float)
        return PlayRequested(*target, LIVE if start is None else start)

    def _target(self, call: Command, code: str) -> url.Target:
        """The stream that a publish or play is about; its refusal, if there is none."""
        try:
            if self._state is not State.CONNECTED:
                raise RTMPError(f"{call.name} by a client that is a {self._state.value} already")
            return url.resolve(self._app, self._tc_url, call.argument(0, str) or "")
        except RTMPError as error:
            self._reject(code, str(error))
            raise

    def _end(self, call: Command) -> Event | None:
        self._answer(call)
        if self._state not in _ENDS:
            return None
        code, ended = _ENDS[self._state]
        self._status(code, call.name)
        self._state = State.CONNECTED
        return ended(call.name)

    def _pause(self, call: Command) -> Event | None:
        if self._state is not State.PLAYER:
            return None
        paused = call.argument(0, bool) is True
        self._status("NetStream.Pause.Notify" if paused else "NetStream.Unpause.Notify", call.name)
        return Paused(paused)

    def _refuse_seek(self, call: Command) -> None:
        self._status("NetStream.Seek.Failed", "the stream is live", "error")

    def _stream_length(self, call: Command) -> None:
        self._connection.call(result(call, 0))  # live

    def _answer(self, call: Command) -> None:
        """What asks for nothing but an answer: what only Flash needed, and calls that we do not know."""
        if call.transaction:
            self._connection.call(result(call))
        if call.name in _CALLBACKS:
            name, code = _CALLBACKS[call.name]
            self._connection.call(Command(name, 0, None, (status(code, call.name),)))

    def _reject(self, code: str, description: str) -> None:
        self._status(code, description, "error")
        self._state = State.CONNECTED

    def _status(self, code: str, description: str, level: str = "status") -> None:
        self._connection.call(Command("onStatus", 0, None, (status(code, description, level),)), STREAM)

    def _user_control(self, event: UserControl) -> None:
        self._connection.send(Type.USER_CONTROL, user_control(event, STREAM))


_RECEIVE: dict[int, Callable[[ServerSession, Message], Event | None]] = {
    Type.DATA: ServerSession._receive_metadata,
    Type.DATA_AMF3: ServerSession._receive_metadata,
    Type.COMMAND: ServerSession._receive_command,
    Type.COMMAND_AMF3: ServerSession._receive_command,
}

_COMMANDS: dict[str, Callable[[ServerSession, Command], Event | None]] = {
    "connect": ServerSession._accept_connect,
    "createStream": ServerSession._create_stream,
    "publish": ServerSession._request_publish,
    "play": ServerSession._request_play,
    "FCUnpublish": ServerSession._end,
    "closeStream": ServerSession._end,
    "deleteStream": ServerSession._end,
    "pause": ServerSession._pause,
    "pauseRaw": ServerSession._pause,
    "seek": ServerSession._refuse_seek,
    "getStreamLength": ServerSession._stream_length,
}

_CALLBACKS = {
    "FCPublish": ("onFCPublish", "NetStream.Publish.Start"),
    "FCUnpublish": ("onFCUnpublish", "NetStream.Unpublish.Success"),
    "FCSubscribe": ("onFCSubscribe", "NetStream.Play.Start"),
}
"""What Adobe's server calls back at once, and encoders made for it wait for."""

_ENDS: dict[State, tuple[str, Callable[[str], Event]]] = {
    State.PUBLISHER: ("NetStream.Unpublish.Success", PublishEnded),
    State.PLAYER: ("NetStream.Play.Stop", PlayEnded),
}
