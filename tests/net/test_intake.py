import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from unittest import mock

import pytest

from mesh.net import intake as module
from mesh.net.intake import GATHER_S, MOST_GATHER_S, MOST_S, READ, TURN, Intake
from tests.net.asynctest import asynctest, until

TICK_S = 0.001
"""What the loop's timers are rounded to."""


class Listener:
    """Keeps what it is given."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.heard = b""
        self.ended = ""
        intake.add(self.near.fileno(), self)

    def receive(self, data: memoryview) -> None:
        self.heard += data

    def close(self, reason: str) -> None:
        self.ended = reason
        self.intake.remove(self.near.fileno())
        self.near.close()


class Drain:
    """Where everything goes."""

    def __init__(self, awaits_at: float) -> None:
        self.awaits_at = awaits_at
        self.held = 0
        self.batches = 0

    def hold(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        self.batches += 1


@contextmanager
def reading(awaits_at: float = 0.0) -> Iterator[Intake]:
    drain = Drain(awaits_at)
    intake = Intake(drain)
    intake.start()
    try:
        yield intake
    finally:
        intake.stop()
        assert drain.batches and not drain.held


@asynctest
async def test_each_gets_its_own_bytes_whoever_else_is_read() -> None:
    with reading() as intake:
        listeners = [Listener(intake) for _ in range(TURN + 5)]
        for number, listener in enumerate(listeners):
            listener.far.send(b"%d" % number)
        await until(lambda: all(listener.heard for listener in listeners))
        assert [listener.heard for listener in listeners] == [b"%d" % number for number in range(TURN + 5)]


@asynctest
async def test_the_end_of_a_socket_is_told_once() -> None:
    with reading() as intake:
        listener, other = Listener(intake), Listener(intake)
        listener.far.send(b"last words")
        listener.far.close()
        await until(lambda: listener.ended)
        assert (listener.heard, listener.ended) == (b"last words", "the client left")
        other.far.send(b"still here")
        await until(lambda: other.heard)


@asynctest
async def test_who_is_removed_while_others_are_read_hears_nothing_more() -> None:
    with reading() as intake:
        first, second = Listener(intake), Listener(intake)

        def end_both(data: memoryview) -> None:
            first.close("")
            second.close("")

        first.receive = second.receive = end_both  # type: ignore[method-assign]
        first.far.send(b"a")
        second.far.send(b"b")
        await until(lambda: first.near.fileno() < 0)
        await asyncio.sleep(0)
        assert (first.heard, second.heard) == (b"", b"")


@asynctest
async def test_a_flood_leaves_the_loop_its_turn() -> None:
    with reading() as intake:
        flooded = Listener(intake)
        flooded.far.setblocking(False)
        for _ in range(5):
            flooded.far.send(bytes(64 << 10))
            await asyncio.sleep(0)
        await until(lambda: len(flooded.heard) == 5 * (64 << 10))


@asynctest
@pytest.mark.parametrize(("ahead", "read_after"), [(0.05, 0.05), (30, MOST_S)])
async def test_what_comes_before_a_pass_may_begin_is_read_together(ahead: float, read_after: float) -> None:
    began = monotonic()
    with reading(began + ahead) as intake:
        listener = Listener(intake)
        times: list[float] = []
        listener.receive = lambda data: times.append(monotonic())  # type: ignore[method-assign]
        for _ in range(4):
            listener.far.send(b"a frame")
            await asyncio.sleep(0)
        await until(lambda: times)
        assert len(times) == 1
        assert times[0] >= began + read_after - TICK_S


@asynctest
@pytest.mark.parametrize(("takes", "pause"), [(0.0, GATHER_S), (0.002, 0.016), (0.03, MOST_GATHER_S)])
async def test_the_longer_reading_takes_the_later_it_begins_again(takes: float, pause: float) -> None:
    with reading() as intake:
        listeners = [Listener(intake), Listener(intake)]
        times: list[float] = []

        def receive(data: memoryview) -> None:
            times.append(monotonic())
            sleep(takes)

        for listener in listeners:
            listener.receive = receive  # type: ignore[method-assign]
            listener.far.send(b"a frame")
        await until(lambda: len(times) == 2)
        listeners[0].far.send(b"another")
        await until(lambda: len(times) == 3)
        assert times[2] - times[1] >= takes + pause - TICK_S


@asynctest
async def test_what_comes_while_the_others_are_read_waits_for_the_next_time() -> None:
    with reading() as intake:
        listeners = [Listener(intake) for _ in range(TURN + 5)]
        times: list[float] = []

        def receive(data: memoryview) -> None:
            times.append(monotonic())
            if len(times) == 1:
                listeners[0].far.send(b"again")

        for listener in listeners:
            listener.receive = receive  # type: ignore[method-assign]
            listener.far.send(b"a frame")
        await until(lambda: len(times) == TURN + 6)
        assert times[-1] >= times[-2] + GATHER_S - TICK_S


@asynctest
async def test_who_sends_more_than_one_read_takes_is_read_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 60)
    monkeypatch.setattr(module, "MOST_GATHER_S", 60)
    with reading() as intake:
        much, little = Listener(intake), Listener(intake)
        much.far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * READ)
        much.far.send(bytes(READ + 1))
        little.far.send(b"a frame")
        await until(lambda: len(much.heard) == READ + 1)
        assert little.heard == b"a frame"


@asynctest
async def test_a_receiver_that_fails_keeps_nobody_else_from_being_read() -> None:
    failures: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    with reading(monotonic() + 0.05) as intake:
        failing, other = Listener(intake), Listener(intake)
        failing.receive = mock.Mock(side_effect=ZeroDivisionError)  # type: ignore[method-assign]
        failing.far.send(b"a")
        await until(lambda: failures)
        other.far.send(b"b")
        await until(lambda: other.heard == b"b")
