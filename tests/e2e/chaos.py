"""Chaos: nodes that are killed, stopped, cut off and drained at random, by a seed."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from tests.e2e.cluster import PATIENCE_S, Cluster, Node, wait_until
from tests.e2e.network import Network

PAUSE_S = 0.5, 3.0
"""Between two faults."""
EXIT_S = 20.0
ENDING = {"kill", "drain"}
"""Faults that end a process. The last node by name has none of these: it shows what leaks."""
BEFORE_S, AFTER_S = 0.5, 5.0
"""Around a fault, in which the players of the node that has it are not counted."""


class Chaos:
    """One fault after the other, each of which is mended before the next."""

    def __init__(self, network: Network, cluster: Cluster, seed: int, faults: Sequence[str]) -> None:
        self.done: Counter[str] = Counter()
        self.harmed: list[tuple[str, float, float]] = []
        """Which node, from when to when."""
        self._network = network
        self._cluster = cluster
        self._dice = random.Random(seed)
        self._faults = faults

    async def run(self, seconds: float) -> None:
        """Do harm for so long."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            await asyncio.sleep(self._dice.uniform(*PAUSE_S))
            fault = self._dice.choice(self._faults)
            names = sorted(self._cluster.nodes)
            node = self._cluster[self._dice.choice(names[:-1] if fault in ENDING else names)]
            since = time.perf_counter()
            print(f"{time.monotonic() - began:.1f} s: {fault} {node.name}")
            await getattr(self, f"_{fault}")(node)
            self.harmed.append((node.name, since, time.perf_counter()))
            self.done[fault] += 1

    def unharmed_stall_s(self, node: str, arrived_at: Sequence[float]) -> float:
        """The longest without a frame at a node, but for when it was harmed itself and soon after."""
        bad = [(since - BEFORE_S, until + AFTER_S) for name, since, until in self.harmed if name == node]
        gaps = [(begin, end) for begin, end in pairwise(arrived_at) if not any(begin < b and end > a for a, b in bad)]
        return max((end - begin for begin, end in gaps), default=0.0)

    async def _kill(self, node: Node) -> None:
        await asyncio.to_thread(node.kill)
        await self._last(0.5, 5)
        node.start()
        await self._up(node)

    async def _stop(self, node: Node) -> None:
        node.signal(signal.SIGSTOP)
        await self._last(0.3, 4)
        node.signal(signal.SIGCONT)

    async def _cut(self, node: Node) -> None:
        others = [name for name in self._cluster.nodes if name != node.name]
        some = self._dice.sample(others, self._dice.randint(1, len(others)))
        self._network.cut(node.name, some, oneway=self._dice.random() < 0.3)
        await self._last(0.5, 6)
        self._network.heal()

    async def _reset(self, node: Node) -> None:
        self._network.reset(node.name, [name for name in self._cluster.nodes if name != node.name])

    async def _drain(self, node: Node) -> None:
        node.signal(signal.SIGTERM)
        code = await asyncio.to_thread(node.wait, EXIT_S)
        assert code == 0, f"{node.name} ended with {code}"
        node.start()
        await self._up(node)

    async def _last(self, least: float, most: float) -> None:
        await asyncio.sleep(self._dice.uniform(least, most))

    async def _up(self, node: Node) -> None:
        await asyncio.to_thread(wait_until, node.ready, f"{node.name} ready", 4 * PATIENCE_S)
