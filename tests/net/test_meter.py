import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count, cycle

import pytest
import zmq

from mesh.control.cause import Cause
from mesh.net import meter
from mesh.net.meter import Meter
from mesh.net.sockets import Socket
from tests.net.asynctest import asynctest, until
from tests.net.stranger import MORE, STRANGER, Sealed, frame, introduced
from tests.net.test_dials import OURS, dialling, serving

MOST = 1 << 20
HONEST = "127.0.0.1"


class Listener:
    """A socket that others connect to, its meter, and those who were cut off."""

    def __init__(self, kind: int, sealed: bool = False) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.received: list[bytes] = []
        self.cut_off: list[tuple[str, Cause]] = []
        self.meter = Meter(sealed, lambda *who: self.cut_off.append(who))
        options = {zmq.IPV6: 1} | (serving(OURS) if sealed else {})
        self.socket = Socket(self.context, kind, None if kind == zmq.PUB else self.take, options)
        self.meter.watch(self.socket, MOST)
        self.port = self.socket.bind("127.0.0.1", 0)

    def take(self, frames: list[zmq.Frame]) -> None:
        self.received.append(frames[-1].bytes)
        self.meter.count(frames)

    def owed(self) -> int:
        """What the meter believes to be under way."""
        [account] = self.meter._accounts
        return sum(meter._received(fd, line) - meter.GREETING - line.ended for fd, line in account.lines.items())


@asynccontextmanager
async def listening(kind: int, sealed: bool = False) -> AsyncIterator[Listener]:
    listener = Listener(kind, sealed)
    try:
        yield listener
    finally:
        listener.socket.close()
        listener.context.destroy(linger=0)


def insist(connection: socket.socket, *words: bytes) -> None:
    """Say it again and again."""
    for word in cycle(words):
        connection.sendall(word)


def subscriptions() -> Iterator[bytes]:
    """To as many different things as a node would have memory for."""
    for _ in range(100):
        yield b"".join(frame(0, b"\x01" + os.urandom(32)) for _ in range(1000))


@pytest.mark.parametrize("sealed", [False, True])
@asynctest
async def test_whole_messages_leave_nothing_behind_whatever_their_size(sealed):
    async with listening(zmq.PULL, sealed) as here:
        push = Socket(here.context, zmq.PUSH, None, dialling(OURS) if sealed else {})
        push.connect(f"tcp://{HONEST}:{here.port}")
        sizes = [0, 1, 200, 221, 222, 223, 224, 225, 253, 254, 255, 256, 257, 1000, 65536, 300_000]
        for size in sizes * 3:
            await until(lambda size=size: push.send([b"head", bytes(size)]))
        await until(lambda: len(here.received) == 3 * len(sizes))
        assert -meter.GREETING < here.owed() <= 0
        push.close()


@pytest.mark.parametrize("kind, mine", [(zmq.ROUTER, b"DEALER"), (zmq.PULL, b"PUSH")])
@asynctest
async def test_who_sends_a_message_that_never_ends_is_cut_off_and_others_are_heard(kind, mine):
    async with listening(kind) as here:
        honest = Socket(here.context, zmq.DEALER if kind == zmq.ROUTER else zmq.PUSH)
        honest.connect(f"tcp://{HONEST}:{here.port}")
        await until(lambda: honest.send([b"first"]) and here.received)
        with introduced(here.port, mine) as stranger, pytest.raises(OSError):
            await asyncio.to_thread(insist, stranger, frame(MORE, bytes(60_000)))
        await until(lambda: (STRANGER, Cause.ENDLESS) in here.cut_off and here.meter.bars(STRANGER))
        assert not here.meter.bars(HONEST)
        await until(lambda: honest.send([b"last"]))
        await until(lambda: here.received[-1] == b"last")
        honest.close()


@asynctest
async def test_who_has_the_secret_is_cut_off_as_well():
    async with listening(zmq.ROUTER, sealed=True) as here:
        member = await asyncio.to_thread(Sealed, here.port, b"DEALER", zmq.curve_public(OURS))
        with member.connection as connection:
            connection.sendall(member.encode(0, b"hello"))
            await until(lambda: here.received == [b"hello"])
            with pytest.raises(OSError):
                await asyncio.to_thread(
                    lambda: [connection.sendall(member.encode(MORE, bytes(60_000))) for _ in count()]
                )
        assert {*here.cut_off} == {(STRANGER, Cause.ENDLESS)}


@asynctest
async def test_who_subscribes_without_end_is_cut_off():
    async with listening(zmq.PUB) as here:
        with introduced(here.port, b"SUB") as stranger:
            insisting = asyncio.create_task(asyncio.to_thread(insist, stranger, *subscriptions()))
            await until(lambda: here.socket.send([b"heartbeat"]) and insisting.done())
            with pytest.raises(OSError):
                await insisting
        assert {*here.cut_off} == {(STRANGER, Cause.ENDLESS)}


@asynctest
async def test_who_sends_messages_of_too_many_parts_is_cut_off_at_once():
    async with listening(zmq.ROUTER) as here:
        with introduced(here.port, b"DEALER") as stranger:
            stranger.sendall(frame(MORE, b"") * 10_000 + frame(0, b"end") + frame(0, b"next"))
            await until(lambda: (STRANGER, Cause.ENDLESS) in here.cut_off)
            await until(lambda: not here.meter._lines)
        assert b"end" not in here.received


@asynctest
async def test_a_connection_that_this_node_closed_is_forgotten_though_its_descriptor_lives_on_as_anothers():
    async with listening(zmq.SUB) as here:
        there = zmq.Context().socket(zmq.PUB)
        port = there.bind_to_random_port("tcp://127.0.0.1")
        here.socket.connect(f"tcp://127.0.0.1:{port}")
        [account] = here.meter._accounts
        await until(lambda: account.lines)
        [descriptor] = account.lines
        here.socket.disconnect(f"tcp://127.0.0.1:{port}")
        others: list[socket.socket] = []
        await until(lambda: others.append(socket.socket()) or others[-1].fileno() == descriptor)
        await until(lambda: not account.lines and not here.meter._lines)
        for other in others:
            other.close()
        there.context.destroy(linger=0)
