"""Trouble: what stands between this node and others, said once and kept for whoever asks."""

import asyncio
import logging
from dataclasses import dataclass

from mesh.config import Address
from mesh.control.cause import Cause

log = logging.getLogger("mesh.security")

MOST = 1000
"""Addresses that are kept; strangers may have any number of them."""
AGAIN_S = 600.0
"""What was not seen for so long is said again."""


@dataclass(slots=True)
class Trouble:
    """What is wrong with whoever is at one address."""

    cause: Cause
    detail: str
    """What it says itself, if it does."""
    times: int
    last: float
    """When it was seen last, on the loop's clock."""

    @property
    def sentence(self) -> str:
        """What is wrong, in words."""
        return f"{self.cause} ({self.detail})" if self.detail else str(self.cause)


class Troubles:
    """All that is wrong at the moment, by address: host and port of those this node dials, the host of others."""

    def __init__(self) -> None:
        self.known: dict[str, Trouble] = {}
        self._seen: dict[tuple[str, str], float] = {}
        """When a host was last seen with a suspect."""

    def note(self, where: Address | str, cause: Cause, detail: str = "") -> None:
        """Keep it, and say so unless that was said of this host already."""
        now = asyncio.get_running_loop().time()
        host, name = (where.host, str(where)) if isinstance(where, Address) else (where, where)
        known = self.known.pop(name, None)
        times = known.times + 1 if known and known.cause is cause else 1
        self.known[name] = trouble = Trouble(cause, detail, times, now)
        if len(self.known) > MOST:
            del self.known[next(iter(self.known))]
        if self._is_news((host, cause.suspect), now):
            log.warning("%s %s", name, trouble.sentence)

    def clear(self, address: Address) -> None:
        """There is none any more at this address."""
        self.known.pop(str(address), None)

    def _is_news(self, what: tuple[str, str], now: float) -> bool:
        if len(self._seen) >= MOST:
            self._seen = {seen: last for seen, last in self._seen.items() if now < last + AGAIN_S}
        if what not in self._seen and len(self._seen) >= MOST:
            return False
        last, self._seen[what] = self._seen.get(what, float("-inf")), now
        return now > last + AGAIN_S
