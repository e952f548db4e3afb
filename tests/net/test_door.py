import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import zmq

from mesh.control.cause import Cause
from mesh.net import door
from mesh.net.door import Door
from mesh.net.sockets import Socket
from tests.net.asynctest import asynctest, until
from tests.net.test_dials import OURS, THEIRS, dialling, serving


class House:
    """A ROUTER with a secret, its door, and those who were turned away."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.received: list[list[bytes]] = []
        router = Socket(self.context, zmq.ROUTER, self.take, serving(OURS) | {zmq.HANDSHAKE_IVL: 300})
        self.failed: list[tuple[str, Cause]] = []
        self.door = Door(router, True, lambda *who: self.failed.append(who))
        self.port = router.bind("127.0.0.1", 0)
        self.router = router

    def take(self, frames: list[zmq.Frame]) -> None:
        self.received.append([frame.bytes for frame in frames[1:]])

    def guest(self, key: bytes | None) -> Socket:
        guest = Socket(zmq.Context(), zmq.DEALER, None, dialling(key) | {zmq.RECONNECT_IVL: 5})
        guest.connect(f"tcp://127.0.0.1:{self.port}")
        return guest

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    made.router.close()
    made.context.destroy(linger=0)


def leave(guest: Socket) -> None:
    guest.close()
    guest._context.destroy(linger=0)


@asynctest
async def test_connections_are_counted_while_they_last():
    async with house() as here:
        connections = [here.connect() for _ in range(3)]
        await until(lambda: len(here.door) == 3)
        for connection in connections:
            connection.close()
        await until(lambda: len(here.door) == 0)
        assert here.door._open == {}


@asynctest
async def test_a_host_has_no_more_connections_than_it_may_and_one_that_has_the_secret_speaks_on(monkeypatch):
    monkeypatch.setattr(door, "MOST", 5)
    async with house() as here:
        guest = here.guest(OURS)
        await until(lambda: guest.send([b"first"]) and here.received)
        flood = [here.connect() for _ in range(50)]
        await until(lambda: here.door.refused >= 46)
        await until(lambda: len(here.door) == 5)
        assert guest.send([b"last"])
        await until(lambda: here.received[-1] == [b"last"])
        await until(lambda: len(here.door) == 1)  # who says nothing has a moment to do so, and no more
        for connection in flood:
            connection.close()
        leave(guest)


@asynctest
async def test_who_has_another_secret_is_named():
    async with house() as here:
        guest = here.guest(THEIRS)
        await until(lambda: here.failed)
        assert set(here.failed) == {("127.0.0.1", Cause.SECRET)}
        leave(guest)


@asynctest
async def test_who_has_none_is_named():
    async with house() as here:
        guests = []
        while not here.failed:
            guests.append(here.guest(None))
            await asyncio.sleep(0.02)
        assert {*here.failed} <= {("127.0.0.1", cause) for cause in (Cause.NO_SECRET, Cause.HUNG_UP)}
        for guest in guests:
            leave(guest)


@asynctest
async def test_who_only_looks_whether_the_port_is_open_is_not_named():
    async with house() as here:
        for _ in range(5):
            here.connect().close()
            await asyncio.sleep(0.01)
        guest = here.guest(OURS)
        await until(lambda: guest.send([b"hello"]) and here.received)
        assert here.failed == []
        leave(guest)


@asynctest
async def test_a_failure_long_ago_is_forgiven(monkeypatch):
    monkeypatch.setattr(door, "FORGIVEN_S", 0.01)
    async with house() as here:
        for _ in range(10):
            here.door._strike("10.0.0.1", Cause.SECRET)
            await asyncio.sleep(0.02)
        assert here.failed == []
        for _ in range(2):
            here.door._strike("10.0.0.1", Cause.SECRET)
        assert here.failed == [("10.0.0.1", Cause.SECRET)]


@asynctest
async def test_strangers_without_number_are_forgotten(monkeypatch):
    monkeypatch.setattr(door, "MAX_STRUCK", 10)
    async with house() as here:
        for number in range(100):
            here.door._strike(f"10.0.0.{number}", Cause.SECRET)
        assert len(here.door._strikes) == 10
