"""Health: what a node suffers from although it is alive, so that nobody is sent to it.

Everything here is asked of the real thing, and costs next to nothing: the disk is asked for its room, the process for
its descriptors, and each listener gets a client from time to time. What is found must be found twice to be believed,
and be missed three times to be over, so nothing flickers; both are logged once.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from mesh.gossip.message import MOST_ILL
from mesh.net.tick import tick

log = logging.getLogger("mesh.health")

PERIOD_S = 1.0
BEGINS, ENDS = 2, 3
"""Looks in a row after which something is believed, and after which it is over."""
LEAST_DISK = 1 << 20
"""Bytes without which a disk is full."""
ANSWER_S = 2.0
"""For a listener, which is on this machine, to answer."""
REST_S = 4.0
"""Between two clients that a listener gets."""
RTMP = b"\x03" + bytes(1536)
"""The first two chunks of a handshake, to which a server has an answer."""
HTTP = b"GET /livez HTTP/1.0\r\n\r\n"

Check = Callable[[], Awaitable[str]]
"""Says what is wrong; "" if nothing is."""


class Health:
    """What this node suffers from."""

    def __init__(self) -> None:
        self._ills: dict[Check, str] = {}
        self._lacks: tuple[Check, ...] = ()

    @property
    def ill(self) -> str:
        """All of it, in words; "" if the node is well."""
        return "; ".join(self._ills.values())[:MOST_ILL]

    @property
    def usable(self) -> bool:
        """Whether it could take clients all the same, where nobody else can."""
        return not any(check in self._ills for check in self._lacks)

    async def run(self, checks: Iterable[Check], lacks: Iterable[Check] = ()) -> None:
        """Look until cancelled; by each of the `lacks` it has too little of something to take anybody."""
        self._lacks = tuple(lacks)
        async with asyncio.TaskGroup() as tasks:
            for check in (*checks, *self._lacks):
                tasks.create_task(self._watch(check))

    async def _watch(self, check: Check) -> None:
        in_a_row = 0
        while True:
            says, known = await check(), self._ills.get(check, "")
            in_a_row = in_a_row + 1 if bool(says) != bool(known) else 0
            if says and in_a_row == BEGINS:
                log.warning("this node is ill, nobody is sent here: %s", says)
                self._ills[check] = says
            elif known and in_a_row == ENDS:
                log.warning("this node has recovered: %s no more", known)
                del self._ills[check]
            await tick(PERIOD_S)


def disk(directory: Path) -> Check:
    """Whether what is to be remembered can be written."""

    async def check() -> str:
        try:
            found = os.statvfs(directory)
        except OSError as error:
            return f"node.data_dir cannot be used: {error.strerror}"
        if found.f_flag & os.ST_RDONLY:
            return "node.data_dir is read-only"
        no_room = found.f_bavail * found.f_frsize < LEAST_DISK or (found.f_files and not found.f_favail)
        return "disk of node.data_dir is full" if no_room else ""

    return check


def answers(key: str, listener: socket.socket, hello: bytes) -> Check:
    """Whether a listener of this node takes a client and answers its hello, or hangs up on it."""
    host, port = listener.getsockname()[:2]
    if host in ("::", "0.0.0.0"):
        v6_alone = host == "::" and listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        host = "::1" if v6_alone else "127.0.0.1"

    async def check() -> str:
        await asyncio.sleep(REST_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(hello)
                    await reader.read(1)
                finally:
                    writer.transport.abort()
        except (TimeoutError, ConnectionRefusedError):
            return f"{key} does not answer itself"
        except OSError:
            # There is no client to be had, or the listener hangs up on it: that it is ill is not proved.
            pass
        return ""

    return check


def passes(full: Callable[[], bool], most_ms: float) -> Check:
    """Whether players wait for their turn as long as they may."""

    async def check() -> str:
        return f"players wait {most_ms:g} ms" if full() else ""

    return check
