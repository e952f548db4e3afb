"""The messages by which a node learns where a stream ends, before it begins the next epoch."""

from dataclasses import dataclass

from mesh.media.wire import message


@message(62)
@dataclass(frozen=True, slots=True)
class AskEnd:
    """Where does your log of this stream end?"""

    stream: str
    nonce: int
    over: bool = False
    """Whether the asker takes the stream from you now."""


@message(63)
@dataclass(frozen=True, slots=True)
class ToldEnd:
    """There."""

    nonce: int
    epoch: int
    last: tuple[tuple[int, int], ...]
    """The newest dts of each kind, without metadata."""
    cts: int
    """The largest."""
    age_ms: int
    """For how long nothing has come."""
