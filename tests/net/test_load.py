import asyncio
import time
from statistics import median

import psutil
import pytest

from mesh.gossip.member import Link
from mesh.net import load
from mesh.net.load import LAGS, Counts, LoadMeter
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Poster, RTMPClient, gop, meshed, picture

PERIOD_S = 0.1


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    monkeypatch.setattr(load, "PERIOD_S", PERIOD_S)


def measured(meter: LoadMeter, *stalls_s: float) -> None:
    """Let it measure, with the loop blocked for so long in one period after the other."""

    async def run() -> None:
        measuring = asyncio.create_task(meter.run())
        for stall_s in stalls_s or (0, 0):
            before = meter.load
            time.sleep(stall_s)  # noqa: ASYNC251 - a loop that is blocked is what is measured
            await until(lambda before=before: meter.load is not before)
        measuring.cancel()

    asyncio.run(run())


def test_what_is_counted_is_told_and_shares_are_shares() -> None:
    meter = LoadMeter(lambda: Counts(players=7, streams=3, relays=2), lambda: "out of sorts", capacity_bps=10**9)
    measured(meter)
    told = meter.load
    assert (told.players, told.streams, told.relays, told.ill, told.capacity_bps) == (7, 3, 2, "out of sorts", 10**9)
    assert 0 <= told.cpu <= 1
    assert 0 < told.mem < 1
    assert told.rx_bps >= 0 <= told.tx_bps


@pytest.mark.parametrize(
    ("interfaces", "devices", "expected"),
    [
        (["lo", "eth0", "eth0.100", "bond0", "eth1"], ["eth0", "eth1"], ["eth0", "eth1"]),
        (["lo", "eth0", "tun0"], ["eth0"], ["eth0"]),
        (["lo", "eth0", "docker0"], [], ["eth0"]),
    ],
)
def test_what_goes_over_a_device_is_counted_once(tmp_path, monkeypatch, interfaces, devices, expected) -> None:
    monkeypatch.setattr(load, "INTERFACES", str(tmp_path))
    for name in devices:
        (tmp_path / name / "device").mkdir(parents=True)
    assert load.carriers(interfaces) == expected


def test_what_the_node_receives_and_sends_counts_even_over_loopback() -> None:
    clock = time.monotonic()

    def counts() -> Counts:
        spent = time.monotonic() - clock
        return Counts(received=int(spent * 75_000_000), sent=int(spent * 125_000_000))

    meter = LoadMeter(counts)
    measured(meter)
    assert 500_000_000 < meter.load.rx_bps < 800_000_000 < meter.load.tx_bps < 1_200_000_000


def test_capacity_is_learned_from_the_fastest_interface_that_leads_to_others() -> None:
    meter = LoadMeter(Counts)
    measured(meter)
    stats = psutil.net_if_stats()
    speeds = [stats[name].speed for name in load.carriers(stats) if stats[name].isup]
    assert meter.load.capacity_bps == max(speeds, default=0) * 10**6


def test_one_hiccup_of_the_loop_is_no_lag_but_a_loop_that_is_always_late_is() -> None:
    meter = LoadMeter(Counts)
    measured(meter, 0, 0, 0.4, 0, 0)
    assert meter.load.loop_lag_ms < 100
    measured(meter, *[0.2] * LAGS)
    assert meter.load.loop_lag_ms >= 150
    assert meter.load.loop_lag_ms == pytest.approx(1000 * median(meter._lags), abs=0.1)


def link_of(seen: Node, there: str, here: str) -> Link | None:
    """The link between two nodes as one of them told a third, once it has been heard."""
    return seen.gossip.tables.members[there].links.get(here)


@asynctest
async def test_what_a_node_takes_from_publishers_and_feeds_to_others_is_its_load(tmp_path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        poster = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        player = await RTMPClient.play(b, "live/x")
        await player.tags(8)
        big, here, there = b"\x27\x01\0\0\0" + bytes(20_000), a.gossip.id, b.gossip.id

        async def feed() -> None:
            while True:
                poster.feed(picture(8)._replace(payload=big))
                await asyncio.sleep(0.01)

        def measured() -> bool:
            link = link_of(b, there, here)
            loads = [b.gossip.tables.members[id].load for id in (here, there)]
            carried = all(load.rx_bps > 1_000_000 < load.tx_bps for load in loads)
            return carried and [load.relays for load in loads] == [1, 0] and link is not None and link.bps > 1_000_000

        feeding = asyncio.create_task(feed())
        await until(measured)
        for seen in (a, b):
            await until(lambda seen=seen: link_of(seen, there, here) and link_of(seen, there, here).bps > 0)
        feeding.cancel()
