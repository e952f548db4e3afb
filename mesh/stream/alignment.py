"""Alignment: how a second publisher's frames lie to those of the stream, so that he can take over between two of them.

If both come from one encoder, the frames are the same and their times differ by one constant. That shift is confirmed
over two GOPs, frame by frame. A still picture and silence repeat their payloads, so several shifts may fit: then the
one by which frames arrive closest together is right. Headers take no part, they prove nothing.
"""

from collections import deque
from hashlib import blake2b
from statistics import median

from mesh.media.frame import Frame, Kind
from mesh.stream.clock import APART_MS
from mesh.stream.log import StreamLog

GOPS = 2
SOUND_MS = 2000
"""What stands for two GOPs where there is no picture."""
WINDOW_MS = 20_000
"""For how long a frame may wait for its like."""
EVERYTHING = 1 << 62
SAMPLES = 20
LEAST_SAMPLES = 4
"""Comparisons of when frames arrive: enough to tell a GOP from the next."""

LATE_MS = 500
"""After this the like of a frame has come, if it comes: before, one that only looks like it could be taken for it."""


class Alignment:
    """A standby's frames, in a log of their own, beside the log of the stream."""

    def __init__(self, own: StreamLog, log: StreamLog) -> None:
        self.own = own
        self._log = log
        self._next = {own: own.tail, log: log.head}
        """The offset to look at next in each log."""
        self._first: dict[int, int] = {}
        """Since when this publisher's frames are known, by kind."""
        self._mine: dict[tuple[int, int], bytes] = {}
        """Payloads of this publisher, by kind and dts."""
        self._theirs: deque[Frame] = deque()
        """Frames of the stream whose like has not been seen."""
        self._apart: deque[int] = deque(maxlen=SAMPLES)
        """By how much the newest frames differed, in ms, whenever both sides had new ones."""
        self._shift: int | None = None
        self._keyframes = 0
        self._since: int | None = None

    @property
    def shift(self) -> int | None:
        """What has to be added to this publisher's times; None while it is not confirmed."""
        if self._shift is None or self._since is None:
            return None
        span = self._log.last_dts.get(Kind.AUDIO, self._since) - self._since
        enough = self._keyframes > GOPS if Kind.VIDEO in self._first else span >= SOUND_MS
        return self._shift if enough else None

    def compare(self) -> None:
        """Look at what has come since the last time."""
        mine, theirs = self._news(self.own), self._news(self._log)
        for frame in mine:
            self._mine[frame.kind, frame.dts] = frame.payload
            self._first.setdefault(frame.kind, frame.dts)
        self._theirs += theirs
        if mine and theirs:
            self._apart.append(_newest(self._log) - _newest(self.own))
        if self._shift is None and len(self._apart) >= LEAST_SAMPLES:
            self._shift = self._find()
        if self._shift is not None and not self._confirm(self._shift):
            self._shift, self._keyframes, self._since = None, 0, None
            self._theirs.clear()
        self._forget()

    def rest(self) -> list[Frame]:
        """This publisher's frames that the stream, by the shift, has not got yet."""
        assert self._shift is not None
        last = self._log.last_dts
        held = self.own.read(self.own.tail, EVERYTHING).frames
        # Of a kind that the stream has not, or has no more, what is long past is no news.
        least = _newest(self._log) - APART_MS
        return [f for f in held if _counts(f) and f.dts + self._shift > max(last.get(f.kind, -1), least)]

    def _news(self, log: StreamLog) -> list[Frame]:
        span = log.read(max(self._next[log], log.tail), EVERYTHING)
        self._next[log] = span.end
        return [frame._replace(payload=_digest(frame.payload)) for frame in span.frames if _counts(frame)]

    def _find(self) -> int | None:
        """The shift by which frames arrive closest together, of all by which what is known fits."""
        near = median(self._apart)
        arrived = [frame for frame in self._theirs if frame.dts - near < _newest(self.own) - LATE_MS]
        for anchor in reversed([frame for frame in arrived if frame.keyframe] or arrived):
            alike = [dts for (kind, dts), payload in self._mine.items() if _same(anchor, kind, payload)]
            for shift in sorted((anchor.dts - dts for dts in alike), key=lambda shift: abs(shift - near)):
                if all(self._fits(frame, shift) is not False for frame in self._theirs):
                    return shift
            if alike:
                self._theirs.clear()
                return None
        return None

    def _confirm(self, shift: int) -> bool:
        """Hold what has come against a shift; False if something contradicts it."""
        while self._theirs:
            frame = self._theirs[0]
            fits = self._fits(frame, shift)
            if fits is None and frame.dts - shift > self.own.last_dts.get(frame.kind, -1):
                return True
            if fits is False:
                return False
            self._theirs.popleft()
            if fits:
                self._keyframes += frame.keyframe
                self._since = frame.dts if self._since is None else self._since
        return True

    def _fits(self, frame: Frame, shift: int) -> bool | None:
        """Whether this publisher sent the same at that time; None if he had not begun, or is not there yet."""
        kind, dts = frame.kind, frame.dts - shift
        if not self._first.get(kind, dts + 1) <= dts <= self.own.last_dts[kind]:
            return None
        return self._mine.get((kind, dts)) == frame.payload

    def _forget(self) -> None:
        """Let go of what is too old to be compared: of the stream's first, so that nothing seems to be missing."""
        while self._theirs and self._theirs[0].dts < _newest(self._log) - WINDOW_MS // 2:
            self._theirs.popleft()
        oldest = _newest(self.own) - WINDOW_MS
        while self._mine and next(iter(self._mine))[1] < oldest:
            kind, dts = next(iter(self._mine))
            del self._mine[kind, dts]
            self._first[kind] = dts + 1


def _digest(payload: bytes) -> bytes:
    """What stands for a payload, which the logs alone keep, within their bounds."""
    return blake2b(payload, digest_size=16).digest()


def _counts(frame: Frame) -> bool:
    return frame.kind != Kind.META and not frame.config


def _same(frame: Frame, kind: int, payload: bytes) -> bool:
    return frame.kind == kind and frame.payload == payload


def _newest(log: StreamLog) -> int:
    """The newest dts of sound and picture."""
    return max(log.last_dts.get(Kind.AUDIO, 0), log.last_dts.get(Kind.VIDEO, 0))
