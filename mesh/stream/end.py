"""End: where a log ends, as its next epoch has to know it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_CTS_MS = 1000
"""What no sane encoder delays a picture by; more is a mistake, and no reason for a gap."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of one node's log of a stream, or of all of them together."""

    epoch: int
    last: Mapping[int, int]
    """The newest dts of each kind, without metadata."""
    cts: int
    """How far a picture was shown after it was decoded, at most, in ms."""
    age_ms: int
    """For how long nothing has come. A duration, because no clock is compared between hosts."""

    @property
    def floor(self) -> int | None:
        """Where the next epoch begins: after all that was decoded or shown, and after the time that really passed."""
        if not self.last:
            return None
        return max(self.last.values()) + max(1, self.age_ms, min(self.cts, MAX_CTS_MS) + 1)

    @property
    def reach(self) -> tuple[int, int]:
        """The greater, the farther: within an epoch, every frame that a log has more makes the sum greater."""
        return self.epoch, sum(self.last.values())

    def shift(self, after: "End") -> int:
        """By how many ms whoever writes on here must go on later, to come after that end too."""
        behind = [dts - self.last.get(kind, dts) for kind, dts in after.last.items()]
        return max(0, (after.floor or 0) - (self.floor or 0), *behind)


NOWHERE = End(0, {}, 0, 0)
"""The end of a log that has not begun."""


def farthest(ends: Iterable[End]) -> End:
    """The end of the stream, if these are the ends of its logs: nodes differ by what was still on its way."""
    ends = list(ends)
    kinds = {kind for end in ends for kind in end.last}
    return End(
        epoch=max((end.epoch for end in ends), default=0),
        last={kind: max(end.last.get(kind, 0) for end in ends) for kind in kinds},
        cts=max((end.cts for end in ends), default=0),
        age_ms=min((end.age_ms for end in ends if end.last), default=0),
    )
