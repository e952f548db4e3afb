"""A replica whose source is killed, stopped or cut off goes on from another: every frame is counted."""

import asyncio
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, quiet, wait_until
from tests.e2e.compare import assert_faithful
from tests.e2e.network import Network, available
from tests.e2e.player import Player, playing
from tests.e2e.publisher import Publisher, publishing
from tests.e2e.shape import fed
from tests.e2e.tasks import asynctest

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")

KILLED = "kill -9 in the middle of a chain"


async def shaped(node: Node, **suppliers: str) -> None:
    """Wait until each of these is fed by that one, or by one of those."""
    what = f"{suppliers} in the tree"
    await asyncio.to_thread(wait_until, lambda: fits(fed(node), suppliers), what)


def fits(tree: dict[str, str], suppliers: dict[str, str]) -> bool:
    return all(tree.get(name) in wanted.split() for name, wanted in suppliers.items())


async def stall_s(publisher: Publisher, players: list[Player], since: float) -> float:
    """The longest that any of these waited for a frame since then, when all have what is sent by now."""
    await assert_faithful(publisher, players)
    times = [[arrival.at for arrival in player.arrivals if arrival.at > since - 0.1] for player in players]
    return max(later - earlier for arrivals in times for earlier, later in pairwise(arrivals))


@asynctest
async def test_in_a_chain_players_below_a_lost_node_miss_no_frame(tmp_path: Path, capsys):
    with Network("a", "b", "c", "d") as network, Cluster(tmp_path, network) as cluster:
        a, b, c, d = cluster.start("a", "b", "c", "d")
        async with publishing(f"{a.rtmp}/live/x", synthetic.stream(120)) as publisher:
            urls = [f"{node.http}/live/x.flv?wait=5&redirect=0" for node in (b, c, d)]
            async with playing(urls[0]) as (first,):
                await first.has(10)
                network.cut("a", ["c", "d"])
                network.cut("b", "d")
                async with playing(urls[1]) as (second,):
                    await shaped(b, b="a", c="b")
                    async with playing(urls[2]) as (third,):
                        await shaped(c, c="b", d="c")
                        network.heal()
                        cluster.settle()
                        await shaped(a, b="a", c="b", d="c")
                        await lose_one_after_the_other(network, publisher, [second, third], [a, b, c, d], capsys)


async def lose_one_after_the_other(network, publisher, players, nodes, capsys) -> None:
    a, b, c, d = nodes
    stalls = {}
    await players[1].has(25)
    began = time.perf_counter()
    b.kill()
    await asyncio.sleep(1)
    stalls[KILLED] = await stall_s(publisher, players, began)
    # Whether d waited until c had found another, or found one itself, is a matter of milliseconds.
    await shaped(a, c="a", d="c a")
    began = time.perf_counter()
    c.signal(signal.SIGSTOP)
    await asyncio.sleep(1)
    stalls["SIGSTOP"] = await stall_s(publisher, players[1:], began)
    await shaped(a, d="a")
    c.signal(signal.SIGCONT)
    await assert_faithful(publisher, players)
    await asyncio.to_thread(wait_until, lambda: a.sees("a", "c", "d") and d.sees("a", "c", "d"), "c is back")
    await shaped(a, c="a", d="a")
    began = time.perf_counter()
    network.cut("a", "d")
    await asyncio.sleep(1)
    stalls["a link of a star cut"] = await stall_s(publisher, players[1:], began)
    await shaped(c, d="c")
    with capsys.disabled():
        print("\n" + "; ".join(f"{fault}: longest stall {1000 * stall:.0f} ms" for fault, stall in stalls.items()))
    # About 0.3 s where nothing else runs. If membership had to say first that a node is dead, it would be three.
    assert max(stalls.values()) < 2
    assert stalls[KILLED] < 0.5 or not quiet()
