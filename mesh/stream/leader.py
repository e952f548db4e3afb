"""Leader: numbers a publisher's frames, once, and writes them into a log.

A publisher keeps his leader for as long as he is connected. What it writes may become another epoch (`go_on`), of the
same log or of another: a standby's frames go into a log of their own until they are needed in the stream's.
"""

from collections.abc import Callable, Iterable
from math import inf

from mesh.media import codec
from mesh.media.frame import EPOCH_SHIFT, META, VIDEO, Frame
from mesh.stream.clock import Clock
from mesh.stream.end import NOWHERE, End
from mesh.stream.log import StreamLog


class Leader:
    """One publisher, and the epoch that he writes."""

    def __init__(self, log: StreamLog, number: int, node: str, after: End = NOWHERE) -> None:
        """Begin epoch `number`, led by `node`, of a stream that ended there so far."""
        self.frames = 0
        self.bytes = 0
        self._sink: Callable[[Frame], None]
        self._held: list[Frame]
        """What came while it was paused."""
        self._paused_until: float
        self._clock: Clock
        self._awaits_keyframe: bool
        self._restart(after)
        self._enter(log, number, node, ())

    def begin(self, log: StreamLog, number: int, node: str, after: End) -> None:
        """Write from the next keyframe on into a new epoch of this log, which comes after all that was."""
        self._restart(after)
        self._enter(log, number, node, self._headers)

    def go_on(self, log: StreamLog, number: int, node: str, shift: int = 0, frames: Iterable[Frame] = ()) -> None:
        """Write into a new epoch of this log without a break: these frames, and what comes, `shift` ms later."""
        self._clock.shift(shift)
        self._enter(log, number, node, self._headers)
        for frame in frames:
            self._append(frame._replace(offset=self._next, dts=frame.dts + shift))

    def pause(self, until: float) -> None:
        """Let the log end here, at the latest until then; what comes meanwhile is not lost."""
        self._sink, self._paused_until = self._held.append, until

    def resume(self) -> None:
        """Pause no longer: write what came."""
        held, self._held = self._held, []
        self._sink, self._paused_until = self.log.append, inf
        for frame in held:
            self._sink(frame)

    def write(self, kind: int, timestamp: int, payload: bytes, now: float) -> None:
        """Number one message. Raises `MediaError` if the payload is too short for what it says it is."""
        if not payload:
            return
        if now >= self._paused_until:
            self.resume()
        look = codec.look(kind, payload)
        if look.config or kind == META:
            dts = self._clock.header_time(kind)
        else:
            dts = self._clock.time(kind, timestamp, now)
            if kind == VIDEO and self._awaits_keyframe:
                if not look.keyframe:
                    return
                self._awaits_keyframe = False
            self._clock.last[kind] = dts
        self.frames += 1
        self.bytes += len(payload)
        self._append(Frame(self._next, kind, dts, look.cts, look.keyframe, look.config, payload))

    @property
    def _headers(self) -> list[Frame]:
        """What another log needs first: the headers in force, and those that came while it was paused."""
        return [*self.log.headers, *(frame for frame in self._held if frame.config)]

    def _restart(self, after: End) -> None:
        self._clock = Clock(after.last, after.floor)
        self._awaits_keyframe = True

    def _enter(self, log: StreamLog, number: int, node: str, headers: Iterable[Frame]) -> None:
        log.begin(number, node)
        self.log, self._sink = log, log.append
        self._held, self._paused_until = [], inf
        self._next = number << EPOCH_SHIFT
        for header in headers:
            self._append(header._replace(offset=self._next, dts=self._clock.header_time(header.kind)))

    def _append(self, frame: Frame) -> None:
        self._next += 1
        self._sink(frame)
