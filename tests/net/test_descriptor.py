import asyncio
import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mesh.errors import NoRoom
from mesh.net.descriptor import LEAST_SPARE, MOST, check, complain, duplicate, raise_limit, shortage
from tests.net.asynctest import asynctest

Use = Callable[[int], int]


@pytest.fixture
def use() -> Iterator[Use]:
    """Leaves so many to this process, when called; gives their limit."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened: list[int] = []

    def leave(free: int) -> int:
        opened.extend(os.dup(0) for _ in range(200))  # no number below is free any more
        limit = opened[-1] + 1 + free
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limits[1]))
        return limit

    yield leave
    for number in opened:
        os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def transport(sock: socket.socket) -> Any:
    return SimpleNamespace(get_extra_info=lambda name: sock)


def test_a_process_is_out_of_descriptors_before_it_has_none(use: Use) -> None:
    assert asyncio.run(shortage()) == ""
    limit = use(LEAST_SPARE - 1)
    says = asyncio.run(shortage())
    assert says.startswith("out of file descriptors: ") and says.endswith(f" of {limit}")
    os.close(os.dup(0))


def test_clients_get_all_but_the_last(use: Use) -> None:
    with socket.socket() as sock:
        limit = use(LEAST_SPARE // 2 + 1)
        check(limit - LEAST_SPARE // 2 - 1)
        with duplicate(transport(sock)) as own:
            assert own.fileno() == limit - LEAST_SPARE // 2 - 1 and not own.getblocking()
            with pytest.raises(NoRoom, match="out of file descriptors: all but 32"):
                duplicate(transport(sock))
            os.close(os.dup(0))
    with pytest.raises(NoRoom):
        check(limit - 1)


@asynctest
async def test_where_there_is_none_at_all_a_client_is_told_so(use: Use) -> None:
    with socket.socket() as sock:
        use(0)
        with pytest.raises(NoRoom, match="out of file descriptors: Too many open files"):
            duplicate(transport(sock))
        assert "out of file descriptors" in await shortage()


def test_a_node_takes_as_many_descriptors_as_it_may() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, MOST), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_of_clients_that_could_not_be_accepted_nothing_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.new_event_loop()
    try:
        complain(loop, {"message": "socket.accept()", "exception": OSError(errno.EMFILE, "Too many open files")})
        assert not caplog.messages
        complain(loop, {"message": "something else", "exception": OSError(errno.EPIPE, "Broken pipe")})
        complain(loop, {"message": "and something without an exception"})
    finally:
        loop.close()
    assert caplog.messages == ["something else", "and something without an exception"]
