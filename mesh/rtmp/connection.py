"""Connection: what both ends of RTMP have in common: the handshake, the chunks, and the connection's own affairs."""

from collections.abc import Callable, Iterable, Iterator

from mesh.rtmp import chunk, command
from mesh.rtmp.chunk import ChunkReader, Limits
from mesh.rtmp.command import Command
from mesh.rtmp.handshake import Handshake
from mesh.rtmp.message import (
    WRAP,
    Message,
    Type,
    UserControl,
    read_uint32,
    read_user_control,
    split_aggregate,
    uint32,
    user_control,
)

WINDOW = 2_500_000
"""Bytes after which we acknowledge, until the peer names a window, and after which we want to be acknowledged."""

STREAM = 1
"""The one message stream that a connection carries."""


class Connection:
    """Bytes in, messages out; answers for itself what neither a server nor a client decides."""

    def __init__(self, handshake: Handshake, limits: Limits) -> None:
        self.chunk_size = chunk.DEFAULT_SIZE
        self._handshake = handshake
        self._buffer = b""  # the part of a handshake packet that has come
        self._reader = ChunkReader(limits)
        self._received = self._acknowledged = 0  # bytes after the handshake
        self._window = self._own_window = WINDOW
        first, self._needed = next(handshake)
        self._packets = [first]
        self._messages: list[bytes] = []

    def receive_data(self, data: bytes | bytearray | memoryview) -> Iterator[Message]:
        """The messages that these bytes complete; exhaust it before the next call."""
        if self._needed:
            data = self._shake(bytes(data))
        self._received += len(data)
        for message in self._reader.receive_data(data):
            if message.kind not in _OWN:
                yield message
            elif own := _OWN[message.kind](self, message):
                yield from own
        if self._window and self._received - self._acknowledged >= self._window:
            self._acknowledged = self._received
            self.send(Type.ACKNOWLEDGEMENT, uint32(self._received % WRAP))

    def data_to_send(self) -> bytes:
        """Takes what is to be written; messages wait for the end of the handshake."""
        if not self._packets and not self._messages:
            return b""
        taken, self._packets = self._packets, []
        if not self._needed:
            taken += self._messages
            self._messages = []
        return b"".join(taken)

    def send(self, kind: int, payload: bytes, timestamp: int = 0, stream_id: int = 0) -> None:
        """Queue a message."""
        self._messages.append(chunk.encode(kind, timestamp, stream_id, payload, self.chunk_size))

    def call(self, call: Command, stream_id: int = 0) -> None:
        """Queue a command or its reply."""
        self.send(Type.COMMAND, command.encode(call), 0, stream_id)

    def set_chunk_size(self, size: int) -> None:
        """Announce the size of our chunks, and use it from here on."""
        self.send(Type.SET_CHUNK_SIZE, uint32(size))
        self.chunk_size = size

    def set_limits(self, limits: Limits) -> None:
        """What the peer may make us hold from here on."""
        self._reader.limits = limits

    def _shake(self, data: bytes) -> bytes:
        """Feed the handshake; returns what follows it."""
        data = self._buffer + data
        while self._needed and len(data) >= self._needed:
            packet, data = data[: self._needed], data[self._needed :]
            try:
                reply, self._needed = self._handshake.send(packet)
                self._packets.append(reply)
            except StopIteration:
                self._needed = 0
        self._buffer, rest = (data, b"") if self._needed else (b"", data)
        return rest

    def _set_window(self, message: Message) -> None:
        self._window = read_uint32(message)

    def _set_own_window(self, message: Message) -> None:
        size = read_uint32(message)
        if size != self._own_window:  # 5.4.5: say so, unless it was said before
            self._own_window = size
            self.send(Type.WINDOW_ACKNOWLEDGEMENT_SIZE, uint32(size))

    def _pong(self, message: Message) -> None:
        event, value = read_user_control(message)
        if event == UserControl.PING_REQUEST:
            self.send(Type.USER_CONTROL, user_control(UserControl.PING_RESPONSE, value))


_OWN: dict[int, Callable[[Connection, Message], Iterable[Message] | None]] = {
    Type.AGGREGATE: lambda connection, message: split_aggregate(message),
    Type.ACKNOWLEDGEMENT: lambda connection, message: None,
    Type.USER_CONTROL: Connection._pong,
    Type.WINDOW_ACKNOWLEDGEMENT_SIZE: Connection._set_window,
    Type.SET_PEER_BANDWIDTH: Connection._set_own_window,
}
