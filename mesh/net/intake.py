"""Intake: publishers' sockets, on an epoll of their own: one wake takes all that has arrived, from all of them.

The event loop watches that epoll only, so its own work for a wake is shared by all sockets that are ready. All are read
into one buffer; who is handed a view of it copies what he keeps.
"""

import asyncio
import os
import select
from typing import Protocol

READ = 256 << 10
TURN = 64
"""Sockets that are read before the loop has its turn."""


class Receiver(Protocol):
    """Who takes a socket's bytes."""

    def receive(self, data: memoryview) -> None:
        """Some bytes, which are gone when this returns."""

    def close(self, reason: str) -> None:
        """The socket has no more."""


class Intake:
    """All sockets that are read here."""

    def __init__(self) -> None:
        self._epoll: select.epoll
        self._receivers: dict[int, Receiver] = {}
        self._buffer = memoryview(bytearray(READ))

    def start(self) -> None:
        """Read from now on."""
        self._epoll = select.epoll()
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._read)

    def stop(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()

    def add(self, fd: int, receiver: Receiver) -> None:
        """Read a non-blocking socket that nobody else reads."""
        self._receivers[fd] = receiver
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Leave it to others, or to be closed."""
        del self._receivers[fd]
        self._epoll.unregister(fd)

    def _read(self) -> None:
        receivers, buffer = self._receivers, self._buffer
        for fd, _ in self._epoll.poll(0, TURN):
            receiver = receivers.get(fd)
            if receiver is None:
                continue  # the one before had it removed
            try:
                size = os.readv(fd, (buffer,))
            except BlockingIOError:
                continue
            except OSError as error:
                receiver.close(error.strerror or str(error))
                continue
            if size:
                receiver.receive(buffer[:size])
            else:
                receiver.close("the client left")
