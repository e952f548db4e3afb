"""Frame: the one thing every floor passes on.

A frame's payload is the body of an FLV tag, which is also the body of an RTMP message; both containers therefore carry
frames without touching them, Enhanced RTMP's FourCC codecs included.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

EPOCH_SHIFT = 32
"""An offset is `epoch << EPOCH_SHIFT | n`: epochs cannot overlap, and any later epoch compares greater."""


class Kind(IntEnum):
    """What a frame carries: FLV's TagType, and RTMP's message type id of the same number."""

    AUDIO = 8
    VIDEO = 9
    META = 18


AUDIO, VIDEO, META = (kind.value for kind in Kind)
"""The same as plain numbers: an enumeration's member costs several times as much to look up and to compare."""


class Frame(NamedTuple):
    """One media message of a stream. A tuple, because thousands are made each second."""

    offset: int
    """Its place in the stream's log; grows, with gaps only where a relay skipped on purpose."""
    kind: int
    """A `Kind`."""
    dts: int
    """Decoding time in ms: 64 bits, unwrapped, growing within each kind."""
    cts: int
    """Presentation time minus `dts`, in ms."""
    keyframe: bool
    """Whether a decoder can start here."""
    config: bool
    """Whether it is a sequence header or metadata: in force for the frames after it."""
    payload: bytes
    """The body of the FLV tag, as the publisher sent it."""

    @property
    def epoch(self) -> int:
        """The epoch that numbered it."""
        return self.offset >> EPOCH_SHIFT


class Position(NamedTuple):
    """A place in a stream that means the same on every node."""

    epoch: int
    leader: str
    """Id of the node that numbered this epoch."""
    offset: int


class Entry(NamedTuple):
    """A place where a decoder can start."""

    offset: int
    headers: tuple[Frame, ...]
    """The metadata and sequence headers in force there, oldest first."""


class Span(NamedTuple):
    """What one read of a log gives."""

    start: int
    """Where it really begins: the offset asked for, or, if that is no longer held, the newest entry."""
    headers: tuple[Frame, ...]
    """To be sent before `frames`, because the reader jumped; empty when it did not."""
    frames: Sequence[Frame]
    end: int
    """The offset to read next."""


class Readable(Protocol):
    """What a log offers its readers; a reader itself is nothing but an offset."""

    @property
    def head(self) -> int:
        """The log end: greater than every offset held, no greater than any to come."""

    @property
    def tail(self) -> int:
        """The smallest offset from which nothing is missing."""

    @property
    def entry(self) -> Entry | None:
        """The newest place to start, or None while there is none."""

    def read(self, offset: int, limit: int) -> Span:
        """The frames from `offset` on, until their payloads reach `limit` bytes; at least one, if there is one."""
