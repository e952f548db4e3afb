"""Tasks of which one may fail without the others."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("mesh")

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Begins work that goes on beside its caller."""


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """Do this work; a failure of it is logged and ends nothing else."""
    try:
        await work
    except Exception:
        log.exception("a task failed")
