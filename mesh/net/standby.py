"""Standby: a publisher whose frames are not needed, as long as the stream gets those of another."""

from collections.abc import Callable
from dataclasses import replace

from mesh.gossip.member import Lead, LeadState
from mesh.net.publication import Publication
from mesh.stream.alignment import Alignment
from mesh.stream.log import StreamLog

LOST_S = 0.3
LOST_FRAMES = 5
"""The stream seems lost when it has had no frame for so long, while its standby had so many."""
GONE_S = 0.05
"""The same where nobody leads it: what is on its way may still arrive."""
UNALIGNED_S = 0.6
"""The same, either way, where the standby is not aligned: then it costs frames to be wrong, or to go before another."""


class Standby:
    """A publication that waits, in a log of its own."""

    def __init__(self, publication: Publication, own: StreamLog, log: StreamLog, on_frame: Callable[[], None]) -> None:
        """`own` is what it writes, `log` the stream's; `on_frame` is called with each frame of its own."""
        self.publication = publication
        self.alignment = Alignment(own, log)
        self.ahead = 0
        """Its frames since the stream's last."""
        self._own = own
        self._log = log
        self._on_frame = on_frame
        own.on_append = self._grown

    def beat(self, now: float, silence_s: float) -> Lead:
        """What to tell the mesh of it now: also `over` whom it could take the stream without losing a frame."""
        self.alignment.compare()
        aligned = self._log.epochs[-1].leader if self.alignment.shift is not None else ""
        lead = self.publication.beat(now, silence_s)
        self.publication.lead = replace(lead, epoch=0, state=LeadState.STANDBY, over=aligned)
        return self.publication.lead

    def misses(self, silent_s: float, led: bool) -> bool:
        """Whether the stream seems lost, silent for so long while this publisher is not."""
        enough = UNALIGNED_S if self.alignment.shift is None else LOST_S if led else GONE_S
        return silent_s >= enough and (self.ahead >= LOST_FRAMES or not led)

    def close(self) -> None:
        """Keep nothing of it."""
        self._own.close()

    def _grown(self) -> None:
        self.ahead += 1
        self._on_frame()
