"""Tasks of which one may fail without the others."""

import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("mesh")


async def guarded(work: Coroutine[Any, Any, None]) -> None:
    """Do this work; a failure of it is logged and ends nothing else."""
    try:
        await work
    except Exception:
        log.exception("a task failed")
