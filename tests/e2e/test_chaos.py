"""Nodes that are killed, stopped, cut off and drained at random, while people publish and play."""

import asyncio
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e import synthetic
from tests.e2e.chaos import Chaos
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.flv import Tag
from tests.e2e.network import Network, available
from tests.e2e.roaming import RoamingPlayer, RoamingPublisher, sent_by
from tests.e2e.tasks import asynctest, running

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")

SEED = int(os.environ.get("CHAOS_SEED", 1))
LASTS_S = float(os.environ.get("CHAOS_S", 180))
"""`CHAOS_S=1800 CHAOS_SEED=7 make soak ARGS=tests/e2e/test_chaos.py` makes it half an hour of another kind."""
NAMES = "abcde"
SETTLED_S = 60.0
MORE_FILES = 40
"""Descriptors that a node may have at the end more than at the beginning: what lingers after the last client."""
MORE_TASKS = 20
MORE_MIB = 60
"""Of memory, most of it the windows of the streams."""


def view(node: Node) -> Any:
    """The mesh as one node sees it, without what changes from moment to moment."""
    nodes, streams = node.json("/api/v1/nodes"), node.json("/api/v1/streams")
    if not nodes or not streams:
        return None
    alive = sorted((each["name"], each["id"]) for each in nodes["nodes"] if each["status"] == "alive")
    told = [
        (row["stream"], row["leader"], row["epoch"], {it["node"] for it in row["replicas"]})
        for row in streams["streams"]
    ]
    return alive, sorted(told, key=str)


def agreed(nodes: list[Node]) -> bool:
    """Whether all see the same, and all of them."""
    views = [view(node) for node in nodes]
    return bool(views[0]) and len(views[0][0]) == len(nodes) and all(other == views[0] for other in views)


def publisher(nodes: list[Node], key: str) -> RoamingPublisher:
    """One of those who publish this stream, all with the same frames."""
    return RoamingPublisher([f"{node.rtmp}/live/{key}" for node in nodes], frames(key))


def frames(key: str) -> Iterator[Tag]:
    return synthetic.stream(1e6, seed=ord(key[0]))


def files(node: Node) -> int:
    return psutil.Process(node.pid).num_fds()


def mib(node: Node) -> int:
    return psutil.Process(node.pid).memory_info().rss >> 20


def tasks_of(node: Node) -> int:
    found = re.search(rb"^mesh_tasks (\d+)", node.get("/metrics")[1], re.M)
    assert found
    return int(found[1])


async def until(holds: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what, SETTLED_S)


@pytest.mark.soak
@pytest.mark.parametrize("faults", [("kill",), ("kill", "stop", "cut", "reset", "drain")], ids=["kill", "all"])
@asynctest(2 * LASTS_S + 300)
async def test_after_chaos_all_streams_live_everywhere_and_nothing_has_leaked(tmp_path: Path, faults, capsys):
    with Network(*NAMES) as network, Cluster(tmp_path, network, stream__standby="true") as cluster:
        nodes = cluster.start(*NAMES)
        before = {node.name: (files(node), tasks_of(node), mib(node)) for node in nodes}
        publishers = {
            "one": [publisher(nodes, "one")],
            "two": [publisher(nodes[n:] + nodes[:n], "two") for n in (1, 3)],
        }
        watched = [(node, key) for node in nodes for key in publishers]
        players = [RoamingPlayer([f"{node.http}/live/{key}.flv?wait=5&redirect=0"]) for node, key in watched]
        everyone = [each.run() for each in [*players, *chain(*publishers.values())]]
        chaos = Chaos(network, cluster, SEED, faults)
        print(f"again: CHAOS_SEED={SEED} CHAOS_S={LASTS_S:.0f}")
        async with running(*everyone) as tasks:
            await until(lambda: all(len(player.arrivals) > 50 for player in players), "all play")
            await chaos.run(LASTS_S)
            network.heal()
            seen = [len(player.arrivals) for player in players]
            await until(
                lambda: all(len(p.arrivals) > n + 50 for p, n in zip(players, seen, strict=True)), "all play again"
            )
            await until(partial(agreed, nodes), "all agree")
            assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]
        with capsys.disabled():
            print(f"\n{dict(chaos.done)} in {LASTS_S:.0f} s, seed {SEED}")
            for (node, key), player in zip(watched, players, strict=True):
                stall_s = chaos.unharmed_stall_s(node.name, [arrival.at for arrival in player.arrivals])
                print(
                    f"{node.name} {key}: {player.disconnects} disconnects, stall {player.longest_stall_s():.1f} s,",
                    end=" ",
                )
                print(f"{stall_s:.1f} s where the node was not harmed")
        for (node, key), player in zip(watched, players, strict=True):
            for report in player.reports(sent_by(publishers[key], frames(key))):
                assert not (report.doubled or report.disordered or report.unknown), f"{node.name} {key}: {report}"
                assert report.longest_step_ms >= 0, f"{node.name} {key}: {report}"
        for node in nodes:
            open_files, ran, held_mib = before[node.name]
            await until(lambda node=node, n=open_files: files(node) < n + MORE_FILES, f"{node.name}'s descriptors")
            await until(lambda node=node, n=ran: tasks_of(node) < n + MORE_TASKS, f"{node.name}'s tasks")
            more = files(node) - open_files, tasks_of(node) - ran, mib(node) - held_mib
            with capsys.disabled():
                print(f"{node.name} has {more[0]} descriptors, {more[1]} tasks and {more[2]} MiB more than at first")
            assert more[2] < MORE_MIB
