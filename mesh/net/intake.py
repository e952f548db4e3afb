"""Intake: sockets that are only read, on an epoll of their own: one wake takes all that has arrived, from all of them.

The event loop watches that epoll only, so its own work for a wake is shared by all sockets that are ready. As soon as
several are ready at once, the next wake is some milliseconds later, more where reading takes a large share of the time:
what has gathered meanwhile is read in one go. And where the next pass over the players is far off, nothing is read
before that. All is read into one buffer; who is handed a view copies what he keeps.
"""

import asyncio
import os
import select
from time import monotonic
from typing import Protocol

READ = 256 << 10
TURN = 64
"""Sockets that are read before the loop has its turn."""
PACE = 8
"""The loop's share: reading several sockets, which took t, is followed by a pause of PACE times t."""
GATHER_S, MOST_GATHER_S = 0.005, 0.040
"""The pause is no shorter and no longer than this. Who publishes alone never waits."""
FAR_S = 0.015
"""Until a pass by which more than one frame of a stream will have come. A nearer one is not waited for: who sends with
Nagle's algorithm keeps back his next frame until the last is read."""
MOST_S = 0.1
"""For which nothing is read, whenever the next pass is: publishers' sockets do not hold more than this for sure."""


class Receiver(Protocol):
    """Who takes a socket's bytes."""

    def receive(self, data: memoryview) -> None:
        """Some bytes, which are gone when this returns."""

    def close(self, reason: str) -> None:
        """The socket has no more."""


class Sink(Protocol):
    """Where what is read goes in the end."""

    awaits_at: float
    """From when on it can be sent on; 0 is long ago."""

    def hold(self) -> None:
        """Something comes, perhaps from several."""

    def release(self) -> None:
        """That was all."""


class Intake:
    """All sockets that are read here."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._epoll: select.epoll
        self._receivers: dict[int, Receiver] = {}
        self._buffer = memoryview(bytearray(READ))
        self._ready: list[int] = []
        """What was ready at once, as far as it is not read yet."""
        self._spent = 0.0
        """On reading what is read of it."""
        self._gathers = False
        """Whether a pause follows: they were several, and none had more than one read takes."""
        self._not_before = 0.0
        self._gathering: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Read from now on."""
        self._epoll = select.epoll()
        self._watch()

    def stop(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        if self._gathering:
            self._gathering.cancel()
        self._epoll.close()

    def add(self, fd: int, receiver: Receiver) -> None:
        """Read a non-blocking socket that nobody else reads."""
        self._receivers[fd] = receiver
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """Leave it to others, or to be closed."""
        del self._receivers[fd]
        self._epoll.unregister(fd)

    def _watch(self) -> None:
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._wake)

    def _wake(self) -> None:
        """Something has come: read it, unless that is of use only later."""
        now = monotonic()
        then = self._next_read(now)
        if then <= now:
            self._read()
        else:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._book(then)

    def _next_read(self, now: float) -> float:
        """From when on reading is worth a wake."""
        due = self._sink.awaits_at
        return max(self._not_before, min(due, now + MOST_S) if due > now + FAR_S else now)

    def _book(self, then: float) -> None:
        self._gathering = asyncio.get_running_loop().call_at(then, self._gather)

    def _gather(self) -> None:
        """Read what has gathered, and do so again until there is nothing."""
        try:
            read, now = self._read(), monotonic()
        except Exception:
            self._watch()  # whatever failed, the others are still to be read
            raise
        then = self._next_read(now)
        if read and then > now:
            self._book(then)
        else:
            self._watch()

    def _read(self) -> int:
        """Read the sockets that have something, or the next of them, and say how many they were."""
        began = monotonic()
        if not self._ready:
            self._ready = [fd for fd, _ in self._epoll.poll(0, len(self._receivers) or 1)]
            self._spent, self._gathers = 0.0, len(self._ready) > 1
        ready, self._ready = self._ready[:TURN], self._ready[TURN:]
        self._sink.hold()
        try:
            self._read_from(ready)
        finally:
            self._spent += monotonic() - began
            self._sink.release()
        if self._gathers and not self._ready:
            self._not_before = monotonic() + min(max(GATHER_S, PACE * self._spent), MOST_GATHER_S)
        return len(ready)

    def _read_from(self, ready: list[int]) -> None:
        receivers, buffer = self._receivers, self._buffer
        for fd in ready:
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
                self._gathers &= size < READ
                receiver.receive(buffer[:size])
            else:
                receiver.close("the client left")
