"""Landing: how fetched frames come into this node's log."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from mesh.errors import ProtocolError
from mesh.media.frame import EPOCH_SHIFT, VIDEO, Frame, Position


class Log(Protocol):
    """A log that frames are fetched into."""

    @property
    def head(self) -> int:
        """The log end."""

    @property
    def position(self) -> Position | None:
        """The same, and who leads; None before the first epoch."""

    @property
    def repeats(self) -> bool:
        """Whether what comes may repeat what came before this epoch; of that, some may be left out."""

    def begin(self, number: int, leader: str) -> None:
        """Continue with a new epoch."""

    def append(self, frame: Frame) -> None:
        """Add a frame at or beyond the head."""


class Landed(NamedTuple):
    """What became of some frames."""

    taken: int
    malformed: int
    """Of these: headers that no codec understands."""


def contradicts(log: Log, leaders: Mapping[int, str]) -> bool:
    """Whether the log's epoch is led by another node there: then offsets do not mean the same."""
    position = log.position
    return position is not None and leaders.get(position.epoch, position.leader) != position.leader


def land(log: Log, frames: Iterable[Frame], leaders: Mapping[int, str]) -> Landed:
    """Append what the log has not got yet, beginning epochs on the way."""
    taken = malformed = 0
    position = log.position
    current = position.epoch if position else -1
    for frame in frames:
        if frame.offset < log.head:
            continue
        epoch = frame.offset >> EPOCH_SHIFT
        if epoch > current:
            log.begin(epoch, leaders[epoch])
            current = epoch
        taken += 1
        try:
            log.append(frame)
        except ProtocolError:
            malformed += 1
    return Landed(taken, malformed)


class Sight:
    """After a skip there is nothing to see until a keyframe comes, from whichever supplier."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lost = False

    def see(self, frames: Sequence[Frame], skipped: bool) -> Sequence[Frame]:
        """Those of these that the log takes, without the pictures that nobody could decode.

        A hole in the log's epoch is a skip as well: by a relay further up, of which the sound arrives here.
        """
        after = self._log.head
        if frames and frames[0].offset < after:
            frames = [frame for frame in frames if frame.offset >= after]
        self._lost = self._lost or skipped
        if not frames or (not self._lost and frames[-1].offset - after == len(frames) - 1):
            return frames
        whole = -1 if self._log.repeats else after >> EPOCH_SHIFT
        seen = []
        for frame in frames:
            picture = frame.kind == VIDEO and not frame.config
            hole = frame.offset > after and frame.offset >> EPOCH_SHIFT == whole
            self._lost = (self._lost or hole) and not (picture and frame.keyframe)
            if not (picture and self._lost):
                seen.append(frame)
            after = frame.offset + 1
        return seen
