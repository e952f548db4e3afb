import asyncio

from mesh import config
from mesh.net import whereabouts
from mesh.net.addresses import usable
from mesh.net.whereabouts import Whereabouts
from tests.net.asynctest import asynctest, until


def of(*overrides: str) -> Whereabouts:
    return Whereabouts(config.load(None, overrides, {})[0].mesh)


def test_a_node_is_at_all_addresses_of_its_host_or_where_its_operator_says():
    assert of().addresses == tuple(usable())
    assert of("mesh.listen=10.0.0.7:7400").addresses == ("10.0.0.7",)
    assert of("mesh.listen=0.0.0.0:7400").addresses == of("mesh.listen=[::]:7400").addresses == tuple(usable())
    assert of("mesh.listen=10.0.0.7:7400", "mesh.advertise=a.example").addresses == ("a.example",)


@asynctest
async def test_a_change_is_told_once(monkeypatch):
    hosts, told = ["10.0.0.1"], []
    monkeypatch.setattr(whereabouts, "usable", lambda: list(hosts))
    monkeypatch.setattr(whereabouts, "LOOK_S", 0.01)
    running = asyncio.create_task(of().run(told.append))
    await asyncio.sleep(0.03)
    assert told == []
    hosts[:] = []
    await until(lambda: told == [()])
    hosts[:] = ["10.0.0.2"]
    await until(lambda: told == [(), ("10.0.0.2",)])
    running.cancel()


@asynctest
async def test_what_was_chosen_does_not_change():
    await asyncio.wait_for(of("mesh.advertise=a.example").run(lambda hosts: None), 1)
