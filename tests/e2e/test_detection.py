"""Eight real nodes on hosts of their own: how soon all others know that one has died, and that it is back."""

import asyncio
import re
import signal
import statistics
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.cluster import PATIENCE_S, Cluster, Node, wait_until
from tests.e2e.network import Network, available
from tests.e2e.tasks import asynctest
from tests.sim.detection import DEATHS, deaths

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")]

NAMES = "abcdefgh"
ROUNDS = 5
FAULTS: dict[str, tuple[Callable[[Network, Node], object], Callable[[Network, Node], object]]] = {
    "kill -9": (lambda network, node: node.kill(), lambda network, node: node.start()),
    "SIGSTOP": (lambda network, node: node.signal(signal.SIGSTOP), lambda network, node: node.signal(signal.SIGCONT)),
    "link down": (
        lambda network, node: network.shape(node.name, network.hosts, cut=True),
        lambda network, node: network.heal(),
    ),
    "cable out": (
        lambda network, node: network[node.name].plug(False),
        lambda network, node: network[node.name].plug(True),
    ),
}
"""What happens to a node, and what ends it."""
WORLDS = 20
"""Simulated, of the same."""


def told(node: Node, about: str, status: str, since: float) -> float | None:
    """When a node first wrote after this that another has that status, on the wall clock."""
    lines = re.findall(rf"^(\S+ \S+) INFO mesh\.node: {about} at \S+ is {status}$", node.log, re.M)
    times = [datetime.strptime(line, "%Y-%m-%d %H:%M:%S,%f").timestamp() for line in lines]
    return next((at for at in times if at > since), None)


async def known_s(others: list[Node], about: str, status: str, since: float) -> float:
    """How long it took until the last of the others knew."""
    what = f"all know that {about} is {status}"
    await asyncio.to_thread(
        wait_until, lambda: all(told(n, about, status, since) for n in others), what, 2 * PATIENCE_S
    )
    return max(told(node, about, status, since) or 0 for node in others) - since


def simulated_s(death: str) -> list[float]:
    """How long it takes simulated nodes, in as many worlds."""
    place = [*DEATHS].index(death)
    return [deaths("ours", len(NAMES), 0.0, seed)[place].everyone for seed in range(WORLDS)]


@pytest.mark.parametrize("fault", FAULTS)
@asynctest(600)
async def test_all_others_know_of_a_death_and_of_a_return(tmp_path: Path, fault: str, capsys):
    harm, mend = FAULTS[fault]
    died, back = [], []
    with Network(*NAMES) as network, Cluster(tmp_path, network) as cluster:
        nodes = cluster.start(*NAMES)
        for turn in range(ROUNDS):
            victim = nodes[1 + turn % (len(nodes) - 1)]
            others = [node for node in nodes if node is not victim]
            began = time.time()
            await asyncio.to_thread(harm, network, victim)
            died.append(await known_s(others, victim.name, "dead", began))
            began = time.time()
            mend(network, victim)
            back.append(await known_s(others, victim.name, "alive", began))
            await asyncio.to_thread(cluster.settle)
    simulated = simulated_s("process ends" if fault == "kill -9" else "host goes down")
    with capsys.disabled():
        print(f"\n{fault}: dead to all in {statistics.median(died):.2f} s (worst {max(died):.2f}; simulated", end=" ")
        print(f"{statistics.median(simulated):.2f}, worst {max(simulated):.2f}),", end=" ")
        print(f"alive again in {statistics.median(back):.2f} s (worst {max(back):.2f}), {ROUNDS} times")
