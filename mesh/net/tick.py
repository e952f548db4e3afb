"""Tick: chores that come round wait for common moments, so that the loop wakes once for many of them.

A loop that wakes finds its caches cold, which costs several times what most chores do.
"""

import asyncio
from random import random
from time import monotonic

EARLY_S = 0.002
"""By which a timer may end too early, since uvloop's count whole ms: a moment that is so near has been waited for."""
_PHASE = random()  # or all nodes of a machine would wake at once


def next_tick(period_s: float) -> float:
    """How long it is until the next of the moments that are `period_s` apart."""
    wait = period_s - (monotonic() + _PHASE) % period_s
    return wait if wait > EARLY_S else wait + period_s


async def tick(period_s: float) -> None:
    """Wait until then. Periods of which one is a multiple of the other have moments in common."""
    await asyncio.sleep(next_tick(period_s))
