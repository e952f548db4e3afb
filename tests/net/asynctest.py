"""A test that is a coroutine, and what such tests wait with."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

TIMEOUT_S = 10


def asynctest(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run it on a loop of its own, as a node has; what its callbacks raise fails it too."""

    async def watched(*args: Any, **kwargs: Any) -> None:
        raised: list[BaseException] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: raised.append(context.get("exception") or Exception(str(context)))
        )
        await asyncio.wait_for(test(*args, **kwargs), TIMEOUT_S)
        if raised:
            raise raised[0]

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        uvloop.run(watched(*args, **kwargs))

    return run


async def until(true: Callable[[], object]) -> None:
    """Wait for something to become true."""
    deadline = asyncio.get_running_loop().time() + TIMEOUT_S / 2
    while not true():
        assert asyncio.get_running_loop().time() < deadline, "it did not become true"
        await asyncio.sleep(0.001)
