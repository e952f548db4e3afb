"""Whereabouts: the addresses at which others reach this node, as networks come and go."""

import asyncio
import logging
from collections.abc import Callable

from mesh.config import Address, MeshConfig
from mesh.net.addresses import usable

log = logging.getLogger("mesh.gossip")

LOOK_S = 1.0
"""Between two looks at this host's interfaces: less than the silence after which others look for us."""
MOST = 16
"""Addresses that a card may have."""
EVERYWHERE = {"0.0.0.0", "::"}
"""Hosts that mean all addresses of this one."""


class Whereabouts:
    """Those that the operator chose, or else all that this host has."""

    def __init__(self, config: MeshConfig) -> None:
        host = Address.parse(config.listen).host
        chosen = config.advertise or ("" if host in EVERYWHERE else host)
        self._chosen = (chosen,) if chosen else ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Best first."""
        return self._chosen or tuple(usable()[:MOST])

    async def run(self, moved: Callable[[tuple[str, ...]], None]) -> None:
        """Tell of other addresses than before, until cancelled."""
        known = self.addresses
        while not self._chosen:
            await asyncio.sleep(LOOK_S)
            if known != (now := self.addresses):
                log.info("this node is now at %s; it was at %s", ", ".join(now) or "no address", ", ".join(known))
                known = now
                moved(now)
