import asyncio

import pytest

from mesh.config import Address
from mesh.control.cause import Cause
from mesh.net import trouble
from mesh.net.trouble import Troubles
from tests.net.asynctest import asynctest

HERE, THERE = Address("10.0.0.1", 7400), Address("10.0.0.1", 7403)


@asynctest
async def test_a_trouble_is_said_once_and_counted_each_time(caplog):
    troubles = Troubles()
    for _ in range(100):
        troubles.note(HERE, Cause.MESH, "this is mesh b, not a")
    assert caplog.messages == ["10.0.0.1:7400 belongs to another mesh (this is mesh b, not a)"]
    known = troubles.known["10.0.0.1:7400"]
    assert (known.cause, known.times) == (Cause.MESH, 100)


@asynctest
async def test_what_a_host_is_said_to_lack_is_not_said_of_all_its_ports_nor_in_other_words(caplog):
    troubles = Troubles()
    troubles.note(HERE, Cause.HUNG_UP)
    troubles.note(THERE, Cause.SECRET)
    troubles.note("10.0.0.1", Cause.NO_SECRET)
    troubles.note(THERE, Cause.FOREIGN)
    troubles.note("10.0.0.2", Cause.NO_SECRET)
    assert caplog.messages == [
        "10.0.0.1:7400 hangs up on this node: most likely it has another secret, or none",
        "10.0.0.1:7403 is no node of a mesh",
        "10.0.0.2 has no secret, and this node has one",
    ]
    assert [*troubles.known] == ["10.0.0.1:7400", "10.0.0.1", "10.0.0.1:7403", "10.0.0.2"]


@asynctest
async def test_a_trouble_that_was_over_for_long_is_said_again(caplog, monkeypatch):
    troubles = Troubles()
    troubles.note(HERE, Cause.SECRET)
    troubles.clear(HERE)
    assert troubles.known == {}
    troubles.note(HERE, Cause.SECRET)
    assert len(caplog.messages) == 1
    monkeypatch.setattr(trouble, "AGAIN_S", 0.01)
    await asyncio.sleep(0.02)
    troubles.note(HERE, Cause.SECRET)
    assert len(caplog.messages) == 2


@asynctest
async def test_strangers_without_number_cost_neither_memory_nor_log(caplog, monkeypatch):
    monkeypatch.setattr(trouble, "MOST", 10)
    troubles = Troubles()
    for number in range(1000):
        troubles.note(f"10.0.{number // 256}.{number % 256}", Cause.SECRET)
    assert len(troubles.known) == len(troubles._seen) == len(caplog.messages) == 10
    assert "10.0.3.231" in troubles.known


@pytest.mark.parametrize("address", [HERE, Address("::1", 7400)])
def test_clearing_what_is_not_there_is_no_error(address):
    Troubles().clear(address)
