"""The messages between a supplier and its followers.

A follower that wants a stream sends `Open` under a new random link id, and repeats it until `Opened` comes; whatever
goes wrong later, it does the same again at its next position. `Credit`, `Opened` and `Head` say all there is to say,
never a difference, so that one that is lost, late or repeated does no harm.

Media travels apart from these, on PUSH and PULL: one message per pass, of the parts `Media`, `Run`, and the payloads as
they are. A `Run` reads the same on every link. Its headers are what was in force at `start`, sent because the reader
jumped there; so they need no place in `Opened`, which travels on another connection and may come later than the media.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from struct import Struct

from mesh.errors import WireError
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind
from mesh.media.wire import decode, message

Place = tuple[int, str, int]
"""A `Position` as it travels."""
MAX_PATH = 16
"""Nodes between a leader and its last replica; a longer path is a ring in the making."""
FRAME = Struct("!QBqiB")
"""A frame without its payload: offset, kind, dts, cts, flags. Fixed, because each hop reads thousands each second."""
KEYFRAME, CONFIG = 1, 2
"""The flags."""
KINDS = frozenset(Kind)
MAX_MS = 1 << 53
"""What a time may be; nobody streams for longer."""


class Reason(StrEnum):
    """Why a supplier serves a link no more."""

    NO_STREAM = "no such stream"
    NO_LINK = "no such link"
    """It may serve another: open again."""
    TOO_MANY = "no room for another follower"
    LEAVING = "the node is leaving"


@dataclass(frozen=True, slots=True)
class LinkMessage:
    """What begins every message: the stream, and the id its follower gave this link."""

    stream: str
    link: int


@message(32)
@dataclass(frozen=True, slots=True)
class Open(LinkMessage):
    """Send me this stream from here on."""

    position: Place | None
    """The follower's next position; None for a place where a decoder can start."""
    credit: int
    """Bytes that may be sent before the first `Credit`."""


@message(33)
@dataclass(frozen=True, slots=True)
class Opened(LinkMessage):
    """You will get it. Sent again when the path changes."""

    head: Place | None
    """The supplier's log end."""
    path: tuple[str, ...]
    """The nodes from the leader down to the supplier, both included."""

    def endless(self, node: str) -> bool:
        """Whether `node` would close a ring by taking the stream from here."""
        return node in self.path or len(self.path) > MAX_PATH


@message(34)
@dataclass(frozen=True, slots=True)
class Credit(LinkMessage):
    """You may have sent this many bytes of payload since the link was opened."""

    total: int


@message(35)
@dataclass(frozen=True, slots=True)
class Close(LinkMessage):
    """Send me no more of it."""


@message(36)
@dataclass(frozen=True, slots=True)
class Moved(LinkMessage):
    """Open it at that node instead; if I feed you, I go on until you close."""

    node: str


@message(37)
@dataclass(frozen=True, slots=True)
class Gone(LinkMessage):
    """This link is no more."""

    reason: str


@message(38)
@dataclass(frozen=True, slots=True)
class AskHead(LinkMessage):
    """How far is your log, and how much of it have you sent me?"""


@message(39)
@dataclass(frozen=True, slots=True)
class Head(LinkMessage):
    """The end of my log; None without one."""

    head: Place | None
    spent: int | None
    """Bytes of payload that went over the link; None if there is no such link."""


@message(40)
@dataclass(frozen=True, slots=True)
class Media(LinkMessage):
    """The first part of a media message: what differs between links."""

    after: int
    """Where the message before this one ended, or, in the first, the offset asked for (0 for none)."""
    lag_ms: int
    """How long the first frame has waited at the supplier."""


@message(41)
@dataclass(frozen=True, slots=True)
class Run:
    """The second part: a piece of the log, from `start` up to `end`, without the pictures that its reader skips."""

    start: int
    """Beyond `after` when the reader skipped, on purpose."""
    end: int
    leaders: tuple[tuple[int, str], ...]
    """Who leads each epoch that has frames here."""
    headers: int
    """How many of `frames` come before `start`, because the reader jumped."""
    frames: bytes
    """A `FRAME` for each payload that follows."""


def describe(frames: Iterable[Frame]) -> bytes:
    """Frames as a `Run` lists them."""
    return b"".join(
        [
            FRAME.pack(offset, kind, dts, cts, keyframe * KEYFRAME | config * CONFIG)
            for offset, kind, dts, cts, keyframe, config, _ in frames
        ]
    )


def unpack(parts: Sequence[bytes]) -> tuple[Media, Run, list[Frame]]:
    """A media message. Raises `WireError` for parts that are none."""
    media, run = [decode(part) for part in parts[:2]] if len(parts) >= 2 else (None, None)
    if not isinstance(media, Media) or not isinstance(run, Run):
        raise WireError(f"message of {len(parts)} parts, expected Media, Run and payloads")
    payloads = parts[2:]
    if len(run.frames) != FRAME.size * len(payloads) or not 0 <= run.headers < len(payloads):
        raise WireError(f"{len(run.frames)} bytes and {run.headers} headers for {len(payloads)} frames")
    frames = [
        Frame(offset, kind, dts, cts, flags & KEYFRAME > 0, flags & CONFIG > 0, payload)
        for (offset, kind, dts, cts, flags), payload in zip(FRAME.iter_unpack(run.frames), payloads, strict=True)
    ]
    _check(run, frames)
    return media, run, frames


def _check(run: Run, frames: list[Frame]) -> None:
    """Offsets grow within their bounds, each epoch has its leader, kinds and times are possible."""
    epochs = {epoch for epoch, _ in run.leaders}
    lowest, highest = 0, run.start if run.headers else run.end
    for place, (offset, kind, dts, *_) in enumerate(frames):
        if place == run.headers:
            lowest, highest = max(lowest, run.start), run.end
        if not lowest <= offset < highest or offset >> EPOCH_SHIFT not in epochs:
            raise WireError(f"frame at offset {offset}, expected one from {lowest} up to {highest}, and its leader")
        if kind not in KINDS or not 0 <= dts < MAX_MS:
            raise WireError(f"frame of kind {kind} at {dts} ms")
        lowest = offset + 1
