"""Descriptors: how many files and sockets this process may have, and which of them clients may not get.

A node without any left can neither measure itself nor reach others. The system always gives the lowest number that is
free, so a client whose number is near the limit has come when nearly all were in use.
"""

import asyncio
import errno
import os
import resource
import socket
from typing import Any

from mesh.errors import NoRoom

MOST = 1 << 20
"""More are not asked for, where there is no limit."""
SPARE = 20
"""One in so many is kept for the node itself, but at least so many:"""
LEAST_SPARE = 64
OPEN = "/proc/self/fd"


def raise_limit() -> None:
    """Take as many descriptors as this process may have: each client is one or two, and each other node some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def shortage() -> str:
    """How many are in use, where they are too many for anybody to be sent here; empty where they are not."""
    limit, most = _limits()
    try:
        # Linux tells their number without a list of them, from 6.2 on.
        used = os.stat(OPEN).st_size or len(os.listdir(OPEN))
    except OSError as error:
        used = limit if error.errno == errno.EMFILE else 0
    return f"out of file descriptors: {used} of {limit}" if used >= most else ""


def check(number: int) -> None:
    """Raises `NoRoom` if a client's descriptor is one of the last, half of which are kept even from those who come."""
    limit, most = _limits()
    if number >= (most + limit) // 2:
        raise NoRoom(f"out of file descriptors: all but {limit - number} of {limit} are in use")


def duplicate(transport: asyncio.BaseTransport) -> socket.socket:
    """A socket of our own for a transport's connection, because asyncio does not let us watch its. Raises `NoRoom`."""
    try:
        sock = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    except OSError as error:
        raise NoRoom(f"out of file descriptors: {error.strerror}") from None
    try:
        check(sock.fileno())
    except NoRoom:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What went wrong in the loop, but for clients that could not be accepted: that is said once, by `shortage`."""
    if getattr(context.get("exception"), "errno", 0) not in (errno.EMFILE, errno.ENFILE):
        loop.default_exception_handler(context)


def _limits() -> tuple[int, int]:
    """How many there are, and how many may be in use before it is too many."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit, limit - max(LEAST_SPARE, limit // SPARE)
