import asyncio

from mesh.config import Address
from mesh.control.doctor import Verdict
from mesh.net import probe as module
from mesh.net.listen import listen, port_of
from mesh.net.probe import probe, probe_all
from tests.net.asynctest import asynctest


@asynctest
async def test_a_port_is_open_or_refused():
    with listen("here", "127.0.0.1:0") as socket:
        address = Address("127.0.0.1", port_of(socket))
        assert await probe(address) is Verdict.OPEN
    assert await probe(address) is Verdict.REFUSED


@asynctest
async def test_a_host_that_does_not_answer_or_does_not_exist_is_silent(monkeypatch):
    for host in ("nowhere.invalid", "x" * 64 + ".invalid"):
        assert await probe(Address(host, 7400)) is Verdict.SILENT
    monkeypatch.setattr(module, "ANSWER_S", 0.05)

    async def nothing(*address: object) -> None:
        await asyncio.sleep(10)

    monkeypatch.setattr(asyncio, "open_connection", nothing)
    assert await probe(Address("127.0.0.1", 7400)) is Verdict.SILENT


@asynctest
async def test_many_are_probed_at_once_and_each_but_once():
    with listen("here", "127.0.0.1:0") as socket:
        here, gone = Address("127.0.0.1", port_of(socket)), Address("127.0.0.1", 1)
        assert await probe_all([here, gone, here]) == {here: Verdict.OPEN, gone: Verdict.REFUSED}
    assert await probe_all([]) == {}
