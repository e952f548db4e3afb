import asyncio

import pytest

from mesh.config import Address
from mesh.net import probe
from mesh.net.knock import refuses
from mesh.net.listen import listen, port_of
from tests.net.asynctest import asynctest


@asynctest
async def test_a_port_where_nobody_listens_refuses():
    with listen("here", "127.0.0.1:0") as socket:
        port = port_of(socket)
        assert not await refuses(Address("127.0.0.1", port))
    assert await refuses(Address("127.0.0.1", port))


@asynctest
async def test_a_process_that_is_being_killed_is_given_a_moment():
    socket = listen("here", "127.0.0.1:0")
    asyncio.get_running_loop().call_later(0.03, socket.close)
    assert await refuses(Address("127.0.0.1", port_of(socket)))


@pytest.mark.parametrize("turns", range(4))
@asynctest
async def test_a_port_that_closes_while_it_is_knocked_at_refuses(turns: int):
    socket = listen("here", "127.0.0.1:0")
    knocking = asyncio.create_task(refuses(Address("127.0.0.1", port_of(socket))))
    for _ in range(turns):  # after one or two it is connected, and does not know yet
        await asyncio.sleep(0)
    socket.close()
    assert await knocking


@asynctest
async def test_a_host_that_says_nothing_does_not_refuse(monkeypatch):
    monkeypatch.setattr(probe, "ANSWER_S", 0.05)
    assert not await refuses(Address("nowhere.invalid", 7400))

    async def nothing(*address: object) -> None:
        await asyncio.sleep(10)

    monkeypatch.setattr(asyncio, "open_connection", nothing)
    assert not await refuses(Address("127.0.0.1", 7400))
