"""Messages: their types, and the bodies of those that speak about the connection itself.

Sections in comments are those of Adobe's RTMP 1.0.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from mesh.errors import RTMPError

WRAP = 1 << 32
"""Timestamps and sequence numbers count modulo this."""


class Type(IntEnum):
    """Message type ids (5.4, 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACKNOWLEDGEMENT_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA_AMF3 = 15
    COMMAND_AMF3 = 17
    DATA = 18
    COMMAND = 20
    AGGREGATE = 22


class UserControl(IntEnum):
    """Event types of user control messages (7.1.7)."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    SET_BUFFER_LENGTH = 3
    PING_REQUEST = 6
    PING_RESPONSE = 7


class Message(NamedTuple):
    """A message as it comes out of the chunks."""

    kind: int
    """A `Type`, or one that we do not know."""
    timestamp: int
    """In ms, modulo 2**32."""
    stream_id: int
    payload: bytes


DYNAMIC = 2
"""The limit type of Set Peer Bandwidth that leaves the choice to the peer (5.4.5)."""

_UINT32 = struct.Struct(">I")
_TAG = struct.Struct(">BHBHBB3x")


def uint32(value: int) -> bytes:
    """The body of Set Chunk Size, Abort, Acknowledgement and Window Acknowledgement Size (5.4)."""
    return _UINT32.pack(value)


def read_uint32(message: Message) -> int:
    """What such a body says. Longer ones occur; the rest means nothing."""
    if len(message.payload) < 4:
        raise RTMPError(f"message of type {message.kind} has {len(message.payload)} bytes, expected 4")
    value: int = _UINT32.unpack_from(message.payload)[0]
    return value


def peer_bandwidth(size: int) -> bytes:
    """The body of Set Peer Bandwidth (5.4.5)."""
    return struct.pack(">IB", size, DYNAMIC)


def user_control(event: UserControl, value: int) -> bytes:
    """The body of a user control message about a stream, or with the time of a ping (7.1.7)."""
    return struct.pack(">HI", event, value)


def read_user_control(message: Message) -> tuple[int, int]:
    """Its event type, and the first four bytes that come with it (0 when there are none)."""
    if len(message.payload) < 2:
        raise RTMPError(f"user control message of {len(message.payload)} bytes, expected 2 or more")
    event, value = struct.unpack_from(">HI", message.payload.ljust(6, b"\0"))
    return event, value


def split_aggregate(message: Message) -> Iterator[Message]:
    """The messages within an aggregate: FLV tags, whose times are relative to the first (7.1.6)."""
    body, at, shift = message.payload, 0, None
    while at < len(body):
        if len(body) - at < _TAG.size:
            raise RTMPError(f"aggregate ends {len(body) - at} bytes into a tag header, expected {_TAG.size}")
        kind, high, low, time, time_low, time_top = _TAG.unpack_from(body, at)
        size = high << 8 | low
        at += _TAG.size
        if len(body) - at < size:
            raise RTMPError(f"aggregate has a tag of {size} bytes in the {len(body) - at} that are left")
        time = time_top << 24 | time << 8 | time_low
        shift = message.timestamp - time if shift is None else shift
        yield Message(kind, (time + shift) % WRAP, message.stream_id, body[at : at + size])
        at += size + 4  # the back pointer, which some leave out after the last tag
