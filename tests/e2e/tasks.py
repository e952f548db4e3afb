"""Tasks that last as long as a block, and coroutines as tests."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

P = ParamSpec("P")


@asynccontextmanager
async def running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run these while the block runs. What one of them raised is raised at the end."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def asynctest(test: Callable[P, Awaitable[None]] | float, patience_s: float = 60) -> Any:
    """A test that is a coroutine; `@asynctest(600)` gives it more than the minute that is long enough for most."""
    if not callable(test):
        return functools.partial(asynctest, patience_s=test)

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(patience_s):
                await test(*args, **kwargs)

        asyncio.run(bounded())

    return run
