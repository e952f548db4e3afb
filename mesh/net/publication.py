"""Publication: a publisher's hold on a stream."""

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from mesh.gossip.member import Lead, LeadState
from mesh.stream.leader import Leader
from mesh.stream.tracks import describe

GHOST_S = 2.0
"""A publisher silent for this long yields to a newcomer: nobody is refused by his own ghost."""
RATE_S = 1.0
"""How often the bit rate is measured."""
CONCEDE_S, AGAIN_S = 1.0, 5.0
"""For how long a log stays where its end was told to a rival, if nothing more is heard of him; not sooner again."""


class Publication:
    """What a connection that publishes writes to, and what the mesh is told of it."""

    def __init__(self, leader: Leader, lead: Lead, now: float, close: Callable[[str], None]) -> None:
        """`close` hangs up on the publisher, saying why."""
        self.lead = lead
        self.close = close
        self.reconnect: Callable[[], bool] = lambda: False
        """Asks the publisher to go on at another node; False if he never said that he can."""
        self.leader = leader
        self.heard_at = now
        self._frames = 0
        self._described = leader.log.headers
        self._rated = (now, 0)
        self._concedes_at = 0.0

    def write(self, kind: int, timestamp: int, payload: bytes) -> None:
        """Take one message. Raises `MediaError` if it cannot be read."""
        self.leader.write(kind, timestamp, payload, monotonic())

    def concede(self) -> None:
        """A rival takes the stream back and asks where it ends: it ends here, unless he fails to begin.

        Whoever asks again and again stops it for a part of the time only.
        """
        now = monotonic()
        if now >= self._concedes_at:
            self._concedes_at = now + AGAIN_S
            self.leader.pause(now + CONCEDE_S)

    def beat(self, now: float, silence_s: float) -> Lead:
        """What to tell the mesh of it now."""
        if self._frames != self.leader.frames:
            self._frames, self.heard_at = self.leader.frames, now
        state = LeadState.STALLED if now - self.heard_at > silence_s else LeadState.LIVE
        kbps = self._rate(now)
        if (state, kbps) != (self.lead.state, self.lead.kbps):
            self.lead = replace(self.lead, state=state, kbps=kbps)
        if self._described is not self.leader.log.headers:
            self._described = self.leader.log.headers
            video, audio = describe(self._described)
            self.lead = replace(self.lead, video=video, audio=audio)
        return self.lead

    def _rate(self, now: float) -> int:
        then, count = self._rated
        if now - then < RATE_S:
            return self.lead.kbps
        self._rated = (now, self.leader.bytes)
        rate = round((self.leader.bytes - count) / 125 / (now - then))
        # Only a change that a balancer would act on is worth a delta to everyone.
        return rate if abs(rate - self.lead.kbps) * 10 > self.lead.kbps else self.lead.kbps
