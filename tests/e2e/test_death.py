"""Nodes that are killed, stopped and started again, while others play."""

import asyncio
import signal
import time

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, eventually, quiet, wait_until
from tests.e2e.compare import assert_faithful, witness
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

EXIT_S = 3.0


def status(observer: Node, name: str) -> str:
    nodes = observer.json("/api/v1/nodes")["nodes"]
    return next((node["status"] for node in nodes if node["name"] == name), "gone")


@asynctest
async def test_players_never_notice_the_death_of_another_node_which_is_taken_back_at_once(cluster: Cluster, capsys):
    a, b, c = cluster.start("a", "b", "c")
    urls = [f"{a.http}/live/x.flv?wait=5", f"{b.http}/live/x.flv?wait=5&redirect=0", f"{b.rtmp}/live/x?wait=5"]
    async with publishing(f"{a.rtmp}/live/x", synthetic.stream(60)) as publisher, playing(*urls) as players:
        async with playing(f"{c.http}/live/x.flv?wait=5&redirect=0") as (victim,):
            await victim.has(50)
            c.kill()
            gone = lambda: {status(a, "c"), status(b, "c")} <= {"dead", "gone", "left"}  # noqa: E731
            died_s = await eventually(gone, "c is dead to a and b", 8)
            replicas = lambda: [row["node"] for row in a.stream("live/x")["replicas"]]  # noqa: E731
            await eventually(lambda: replicas() == ["b"], "c holds no replica")
        c.start()
        back_s = await eventually(lambda: c.get("/readyz")[0] == 200, "c is ready again")
        seen_s = await eventually(lambda: status(a, "c") == status(b, "c") == "alive", "c is alive again")
        assert c.sees("a", "b", "c")
        async with playing(f"{c.http}/live/x.flv?redirect=0") as (returned,):
            await returned.has(50)
        await assert_faithful(publisher, players)
        stalls = [report.longest_stall_s for report in await witness(publisher, players)]
    assert max(stalls) < (0.5 if quiet() else 2), stalls
    with capsys.disabled():
        print(f"\nkill -9: dead to both after {died_s:.1f} s; ready {back_s:.1f} s after its start,", end=" ")
        print(f"alive {seen_s:.1f} s later; longest stall of others {max(stalls) * 1000:.0f} ms")


@asynctest
async def test_a_node_that_stood_still_for_a_while_is_taken_back_and_its_players_lose_nothing(cluster: Cluster):
    a, b = cluster.start("a", "b")
    urls = [f"{a.http}/live/x.flv?wait=5", f"{b.http}/live/x.flv?wait=5&redirect=0"]
    async with publishing(f"{a.rtmp}/live/x", synthetic.stream(60)) as publisher, playing(*urls) as players:
        for player in players:
            await player.has(30)
        b.signal(signal.SIGSTOP)
        await asyncio.sleep(3)
        assert status(a, "b") in ("suspect", "dead")
        b.signal(signal.SIGCONT)
        await eventually(lambda: status(a, "b") == status(b, "a") == "alive", "both are alive")
        await assert_faithful(publisher, players)
        (untouched, stopped) = await witness(publisher, players)
        assert untouched.longest_stall_s < (0.5 if quiet() else 2) < stopped.longest_stall_s


def test_a_node_without_clients_exits_with_0_within_3_seconds_and_is_known_to_have_left(cluster: Cluster):
    a, b, c = cluster.start("a", "b", "c")
    b.signal(signal.SIGTERM)
    c.signal(signal.SIGINT)
    assert b.wait(EXIT_S) == c.wait(EXIT_S) == 0
    wait_until(lambda: {status(a, "b"), status(a, "c")} <= {"left", "gone"}, "both have left", 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@asynctest
async def test_a_node_with_clients_exits_with_0_within_3_seconds_and_they_are_told(cluster: Cluster, number):
    _, b = cluster.start("a", "b")
    urls = [f"{b.http}/live/x.flv?wait=5&redirect=0", f"{b.rtmp}/live/x?wait=5", f"{b.ws}/live/x.flv?wait=5"]
    async with publishing(f"{b.rtmp}/live/x", synthetic.stream(60)) as publisher, playing(*urls) as players:
        for player in players:
            await player.has(10)
        b.signal(number)
        assert await asyncio.to_thread(b.wait, EXIT_S) == 0
        await asyncio.wait_for(publisher.finished.wait(), 1)
        assert publisher.error
        await asyncio.gather(*(player.over() for player in players))


@asynctest
async def test_a_publisher_whose_node_was_killed_takes_his_stream_to_another(cluster: Cluster):
    a, b = cluster.start("a", "b")
    with pytest.raises(OSError):
        async with publishing(f"{b.rtmp}/live/x", synthetic.stream(60)) as publisher:
            await asyncio.sleep(1)
            b.kill()
            await publisher.done()
    began = time.perf_counter()
    while True:
        try:
            async with publishing(f"{a.rtmp}/live/x", synthetic.stream(1)) as publisher:
                await publisher.done()
                break
        except Exception:
            assert time.perf_counter() - began < 8, "nobody is refused by his own ghost"
            await asyncio.sleep(0.2)
