import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from os import getpid
from typing import Any
from unittest import mock

import pytest

from mesh import config
from mesh.config import Address, Config
from mesh.gossip.member import Member
from mesh.gossip.tables import Tables
from mesh.net import discovery
from mesh.net.addresses import resolve
from mesh.net.discovery import Discovery
from mesh.net.state import State
from tests.gossip.company import card
from tests.net.asynctest import asynctest, until


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@asynccontextmanager
async def discovering(number: int, *overrides: str, peers: Iterable[Address] = ()) -> AsyncIterator[set[Address]]:
    """What a node finds."""
    configured: Config = config.load(None, overrides, {})[0]
    state = State.open(configured)
    name = configured.mesh.name
    state.remember_mesh(name, [Address("127.0.0.1", 7400 + number)], peers)
    found: set[Address] = set()

    def take(addresses: Iterable[Address], kept: bool) -> None:
        found.update(addresses)

    mine = card(number, addresses=("127.0.0.1",), control=7400 + number)
    tables = Tables(mine.id, [Member(mine)])
    task = asyncio.create_task(Discovery(configured.mesh, state, tables, take).run())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.wait([task])
        state.close()


@asynctest
async def test_a_seed_is_what_its_name_means_and_has_a_default_port():
    async with discovering(0, "mesh.mdns=false", "mesh.seeds=localhost,10.0.0.7:7777,[fd00::7]") as found:
        await until(lambda: len(found) >= 3)
        assert {Address("127.0.0.1", 7400), Address("10.0.0.7", 7777), Address("fd00::7", 7400)} <= found


@asynctest
async def test_a_name_that_means_nothing_yet_is_tried_again(monkeypatch):
    answers = iter([[], [], [Address("10.0.0.7", 7400)]])

    async def resolve(address: Address) -> list[Address]:
        return next(answers, [Address("10.0.0.8", 7400)])

    monkeypatch.setattr(discovery, "resolve", resolve)
    monkeypatch.setattr(discovery, "RETRY_S", 0.01)
    monkeypatch.setattr(discovery, "RESOLVE_S", 0.02)
    async with discovering(0, "mesh.mdns=false", "mesh.seeds=later.example") as found:
        await until(lambda: found == {Address("10.0.0.7", 7400), Address("10.0.0.8", 7400)})


@asynctest
async def test_what_means_nothing_is_no_address():
    assert await resolve(Address("nowhere.invalid", 7400)) == []
    assert await resolve(Address("127.0.0.1", 7400)) == [Address("127.0.0.1", 7400)]


@asynctest
async def test_the_peers_of_last_time_are_tried():
    async with discovering(0, "mesh.mdns=false", peers=[Address("10.0.0.9", 7400)]) as found:
        await until(lambda: found == {Address("10.0.0.9", 7400)})


def no_network() -> list[str]:
    return []


@asynctest
async def test_the_nodes_of_one_host_find_each_other_without_any_network(monkeypatch):
    monkeypatch.setattr(discovery, "on_the_lan", no_network)
    monkeypatch.setattr(discovery, "SIBLINGS_S", 0.01)
    async with discovering(1) as one, discovering(2) as other, discovering(3, "mesh.name=other") as third:
        await until(lambda: one and other)
        assert (one, other, third) == ({Address("127.0.0.1", 7402)}, {Address("127.0.0.1", 7401)}, set())


@asynctest
async def test_but_only_if_they_are_asked_to_look_around(monkeypatch):
    monkeypatch.setattr(discovery, "SIBLINGS_S", 0.01)
    async with discovering(1, "mesh.mdns=false") as one, discovering(2, "mesh.mdns=false") as other:
        await asyncio.sleep(0.1)
        assert one == other == set()


def loopback() -> list[str]:
    return ["127.0.0.1"]


@asynctest
async def test_a_node_that_meets_nobody_is_told_once_what_to_do(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(discovery, "on_the_lan", no_network)
    monkeypatch.setattr(discovery, "ALONE_S", 0.01)
    for overrides in ([], ["mesh.seeds=127.0.0.1"], ["mesh.mdns=false"]):
        async with discovering(1, *overrides):
            await asyncio.sleep(0.05)
    said = "no other node of mesh 'mesh' in 0.01 s; if there are any, name one: mesh.seeds=HOST"
    assert [record.message for record in caplog.records] == [said]


@asynctest
async def test_nodes_of_one_mesh_find_each_other_by_multicast_dns(monkeypatch):
    monkeypatch.setattr(discovery, "on_the_lan", loopback)
    monkeypatch.setattr(State, "siblings", lambda self, mesh: [])
    mesh = f"mesh.name=test-{getpid()}"
    async with discovering(1, mesh) as one, discovering(2, mesh) as other, discovering(3, f"{mesh}-3") as third:
        await until(lambda: one and other)
        assert (one, other, third) == ({Address("127.0.0.1", 7402)}, {Address("127.0.0.1", 7401)}, set())


@pytest.mark.parametrize(
    ("listen", "announced"),
    [
        ("", ["10.0.0.7", "192.168.0.7", "fd00::7"]),
        ("0.0.0.0", ["10.0.0.7", "192.168.0.7", "fd00::7"]),
        ("192.168.0.7", ["192.168.0.7"]),
        ("[fd00::7]", ["fd00::7"]),
        ("10.0.0.8", []),
        ("127.0.0.1", []),
    ],
)
@asynctest
async def test_a_node_is_announced_only_where_it_listens(monkeypatch, listen, announced):
    tries = []

    async def announce(self: Discovery, addresses: list[str]) -> None:
        tries.append((addresses, self._service().parsed_addresses()))

    monkeypatch.setattr(Discovery, "_announce", announce)
    monkeypatch.setattr(discovery, "on_the_lan", lambda: ["10.0.0.7", "192.168.0.7", "fd00::7"])
    monkeypatch.setattr(discovery, "LOOK_S", 0.01)
    async with discovering(0, f"mesh.listen={listen}:7400"):
        await (until(lambda: tries) if announced else asyncio.sleep(0.05))
    assert tries[:1] == [(announced, ["127.0.0.1", *announced])] * bool(announced)


@asynctest
async def test_whatever_fails_about_multicast_does_not_end_the_search(monkeypatch, caplog):
    tries = []

    async def announce(self: Discovery, addresses: list[str]) -> None:
        tries.append(addresses)
        raise ExceptionGroup("a task group", [ValueError("a name that is none")])

    monkeypatch.setattr(Discovery, "_announce", announce)
    monkeypatch.setattr(discovery, "on_the_lan", lambda: ["127.0.0.1"])
    monkeypatch.setattr(discovery, "LOOK_S", 0.01)
    monkeypatch.setattr(discovery, "RESOLVE_S", 0.01)
    async with discovering(0, "mesh.seeds=localhost") as found:
        await until(lambda: len(tries) > 3)
        found.clear()
        await until(lambda: found)
    assert caplog.text.count("multicast DNS failed") == 1


@asynctest
async def test_a_service_of_another_kind_is_not_asked(monkeypatch):
    """Anybody can announce one under the name of ours."""
    listening: list[Any] = []

    def browse(*_: object, handlers: list[Any]) -> mock.AsyncMock:
        listening.extend(handlers)
        return mock.AsyncMock()

    monkeypatch.setattr(discovery, "AsyncZeroconf", mock.AsyncMock)
    monkeypatch.setattr(discovery, "AsyncServiceBrowser", browse)
    asked = []

    async def ask(self: Discovery, dns: object, name: str) -> None:
        asked.append(name)

    monkeypatch.setattr(Discovery, "_ask", ask)
    async with discovering(0):
        await until(lambda: listening)
        for name in ("foo.bar._other._tcp.local.", f"x.{discovery.SERVICE}"):
            listening[0](discovery.SERVICE, name, discovery.zeroconf.ServiceStateChange.Added)
        await until(lambda: asked)
    assert asked == [f"x.{discovery.SERVICE}"]
