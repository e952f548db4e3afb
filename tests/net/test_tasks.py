import asyncio
import logging

import pytest

from mesh.net.tasks import guarded
from tests.net.asynctest import asynctest


@asynctest
async def test_a_task_that_fails_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def fail() -> None:
        raise ValueError("broken")

    async def work() -> None:
        await asyncio.sleep(0)
        done.set()

    with caplog.at_level(logging.ERROR):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(guarded(fail()))
            tasks.create_task(guarded(work()))
    assert done.is_set()
    assert "broken" in caplog.text
