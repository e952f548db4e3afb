import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import zmq

from mesh.net import push
from mesh.net.meter import Meter
from mesh.net.push import Pushes
from mesh.net.security import Options


class Follower:
    """A PULL, and what it is to a supplier."""

    def __init__(self) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.pull = self.context.socket(zmq.PULL)
        self.pull.bind("tcp://127.0.0.1:*")
        self.endpoint: str | None = self.pull.get_string(zmq.LAST_ENDPOINT)
        self.has_link = True
        self.options: Options = {}
        self.pushes = Pushes(
            self.context,
            Meter(False, lambda host, cause: None),
            lambda peer: self.endpoint,
            lambda peer: self.options,
            lambda peer: self.has_link,
        )

    async def sent(self, payload: bytes) -> list[bytes]:
        """What arrives of a message that is tried until it is taken."""
        for _ in range(1000):
            if self.pushes.send("f", [b"head", payload], len(payload)):
                return await asyncio.to_thread(self.pull.recv_multipart)
            await asyncio.sleep(0.001)
        raise TimeoutError


def joined(test: Callable[[Follower], Awaitable[None]]) -> None:
    """Run a coroutine with a follower."""

    async def run() -> None:
        follower = Follower()
        try:
            await asyncio.wait_for(test(follower), 10)
        finally:
            follower.pushes.close()
            assert len(follower.pushes) == 0
            follower.context.destroy(linger=0)

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 1 << 20])
def test_messages_arrive_as_they_are_whether_copied_or_not(size: int) -> None:
    async def test(follower: Follower) -> None:
        payload = bytes(size)
        assert await follower.sent(payload) == [b"head", payload]

    joined(test)


def test_nothing_is_taken_while_nobody_listens() -> None:
    async def test(follower: Follower) -> None:
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            follower.endpoint = f"tcp://127.0.0.1:{deaf.getsockname()[1]}"
            for _ in range(100):
                assert not follower.pushes.send("f", [b"stale"], 5)
        follower.pull.bind(follower.endpoint)
        assert await follower.sent(b"fresh") == [b"head", b"fresh"]
        assert not follower.pull.poll(10)

    joined(test)


@pytest.mark.parametrize("endpoint", [None, "tcp://", "nonsense"])
def test_a_follower_without_an_endpoint_takes_nothing(endpoint: str | None) -> None:
    async def test(follower: Follower) -> None:
        follower.endpoint = endpoint
        assert not follower.pushes.send("f", [b""], 0)
        assert len(follower.pushes) == 0

    joined(test)


def test_a_follower_that_moved_is_connected_anew() -> None:
    async def test(follower: Follower) -> None:
        await follower.sent(b"")
        follower.pushes.check("f")
        assert len(follower.pushes) == 1
        follower.endpoint = "tcp://127.0.0.1:1"
        follower.pushes.check("f")
        assert len(follower.pushes) == 0

    joined(test)


def test_a_follower_that_moved_is_found_when_the_old_place_takes_nothing() -> None:
    async def test(follower: Follower) -> None:
        there, follower.endpoint = follower.endpoint, "tcp://127.0.0.1:1"
        assert not follower.pushes.send("f", [b"x"], 1)
        follower.endpoint = there
        assert await follower.sent(b"x") == [b"head", b"x"]

    joined(test)


def test_a_follower_that_asks_for_another_key_is_connected_anew() -> None:
    async def test(follower: Follower) -> None:
        await follower.sent(b"")
        follower.options = {zmq.ZAP_DOMAIN: b"mesh"}
        follower.pushes.check("f")
        assert len(follower.pushes) == 0
        assert await follower.sent(b"x") == [b"head", b"x"]
        follower.pushes.check("f")
        assert len(follower.pushes) == 1

    joined(test)


def test_a_connection_is_closed_some_time_after_its_last_link(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(follower: Follower) -> None:
        await follower.sent(b"")
        follower.pushes.tidy()
        await asyncio.sleep(0.1)
        assert len(follower.pushes) == 1
        follower.has_link = False
        await asyncio.sleep(0.01)
        assert len(follower.pushes) == 1
        await asyncio.sleep(0.1)
        assert len(follower.pushes) == 0

    monkeypatch.setattr(push, "IDLE_S", 0.03)
    monkeypatch.setattr(push, "TIDY_S", 0.005)
    joined(test)
