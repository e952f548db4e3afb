"""Report: what a load has seen, as figures."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import NamedTuple

from mesh.bench.process import Cost


class Spread(NamedTuple):
    """Many figures in three."""

    p50: float
    p99: float
    most: float


def spread(figures: Iterable[float]) -> Spread | None:
    """Their spread; None if there is none."""
    known = sorted(figures)
    if not known:
        return None
    cuts = quantiles(known, n=100, method="inclusive") if len(known) > 1 else known * 99
    return Spread(*(round(figure, 3) for figure in (cuts[49], cuts[98], known[-1])))


@dataclass(frozen=True, slots=True)
class Report:
    """Of one load; times are in ms."""

    clients: int
    seconds: float
    """For which it was measured, after all had joined."""
    joined: int
    redirects: int
    mbps: float
    """All clients together."""
    kbps: Spread | None
    """Of each client."""
    first_byte_ms: Spread | None
    """From its connect on."""
    keyframe_ms: Spread | None
    gap_ms: Spread | None
    """The longest pause in what each player got."""
    delay_ms: Spread | None
    """From the publisher to a probe."""
    errors: dict[str, int] = field(default_factory=Counter)
    before: Cost | None = None
    after: Cost | None = None

    @property
    def cores(self) -> float | None:
        """How many cores the server kept busy."""
        if not self.before or not self.after:
            return None
        return (self.after.cpu_s - self.before.cpu_s) / self.seconds

    @property
    def cpu_us(self) -> float | None:
        """µs of the server's CPU for each client and second."""
        return self.cores * 1e6 / self.joined if self.cores is not None and self.joined else None
