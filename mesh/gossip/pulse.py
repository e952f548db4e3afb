"""Pulse: how regularly another member's heartbeats arrive, and how long a silence is still normal."""

from mesh.gossip.overlay import PERIOD

LATE = 0.15
"""Seconds by which a beat must be late to count as lost on the way: TCP repeats a lost packet no sooner."""
DRIFT = 1.001
"""No two clocks differ in speed by more."""
REPEATED_S = 8.0
"""For which TCP may have repeated a beat that comes late; who seems later than that has had his clock stopped."""
NORMAL_PERIODS = 3.0
MOST_PERIODS = 3.6
"""A silence of so many periods is never normal, however irregular the beats before it."""


class Pulse:
    """The heartbeats of one member, as they arrive here."""

    def __init__(self, now: float) -> None:
        self.heard = now
        """When it last gave any sign of its own."""
        self.period = PERIOD
        """Seconds between its beats, as it announces them."""
        self.seq = -1
        self.loss = 0.0
        """Share of its beats that came late or not at all: a moving average over some 32 of them."""
        self.beat_at = now
        """When its last beat came, or the way to its beats was found."""
        self.sent = now
        """When its newest beat was sent, at the latest, by our clock."""
        self._uptime = 0.0
        self._mean = PERIOD
        self._deviation = 0.0

    @property
    def patience(self) -> float:
        """Seconds of silence after which it must be asked."""
        wanted = self._mean + 6 * self._deviation
        return max(NORMAL_PERIODS * self.period, min(wanted, MOST_PERIODS * self.period))

    def beat(self, seq: int, period: float, now: float, excused: bool = False) -> bool:
        """Take a beat; False for one that is older than the last.

        One is `excused` that tells nothing of its sender's regularity, because it waited for us.
        """
        if seq <= self.seq:
            return False
        if excused:
            self.seq, self.period, self.beat_at = seq, period, now
            return True
        missed = seq - self.seq - 1 if self.seq >= 0 else 0
        interval = now - self.beat_at
        late = interval > 1.1 * period + LATE
        for lost in [True] * min(missed, 32) + [late]:
            self.loss += (lost - self.loss) / 32
        self._deviation += (abs(interval - self._mean) - self._deviation) / 4
        self._mean += (interval - self._mean) / 8
        self.seq, self.period, self.beat_at = seq, period, now
        return True

    def date(self, uptime: float, now: float) -> None:
        """Tell by its sender's own clock, in seconds, when a beat was sent that has come now."""
        expected = self.sent + DRIFT * (uptime - self._uptime)
        self.sent = min(max(expected, now - REPEATED_S), now)
        self._uptime = uptime
