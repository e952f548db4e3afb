"""A seeded world: a network, nodes on it, and everything that may happen to them.

Same seed, same world: its trace hash covers every message that arrived and every event, with their times.
"""

import gc
import sys
from collections.abc import Iterable
from random import Random
from typing import Any

from mesh.gossip.member import Status
from tests.sim.network import Network, Weather
from tests.sim.process import Process
from tests.sim.schedule import Schedule

YEAR_S = 1 << 25
"""Sums of it, twice of it and anything less have the same precision, so no clock computes other times than another."""
FORM_S = 3.0
"""In which nodes that know a seed must have met."""


class World(Schedule):
    """Hosts are numbers, and a node's key has the number of the host that it was made on."""

    def __init__(self, seed: int, weather: Weather | None = None, clocks: int = 1) -> None:
        """Clocks of processes are up to a year apart, times `clocks`."""
        super().__init__()
        self.seed = seed
        self.random = Random(seed)
        self.network = Network(self, self.random, weather or Weather())
        self.processes: list[Process] = []
        self.harm: list[tuple[float, str]] = []
        """What was done to it, and when."""
        self._clocks = clocks

    @property
    def trace_hash(self) -> str:
        return self.network.trace.hexdigest()

    def start(self, host: int, incarnation: int = 1, key: int | None = None, **options: Any) -> Process:
        """Start a node on a host; with the key that was made on another, if it was cloned."""
        clock = float(YEAR_S + self._clocks * self.random.randrange(YEAR_S))
        key = host if key is None else key
        self._note(f"n{key} starts on host {host}, incarnation {incarnation}")
        process = Process(self, self.network, self.random, host, key, incarnation, clock, **options)
        self.processes.append(process)
        self.network.listen(process)
        return process

    def crash(self, process: Process, fin: bool = True) -> None:
        """End a process; without `fin` its host goes down with it, and nobody is told."""
        self._note(f"n{process.key} {'ends' if fin else 'goes down'}")
        process.alive = False
        self.network.close(process, fin)

    def restart(self, process: Process, disk: bool = True, **options: Any) -> Process:
        """Start a node again on its host, with or without what it remembers."""
        return self.start(process.host, process.incarnation + 1 if disk else 1, process.key, **options)

    def cut(self, sources: Iterable[Process], targets: Iterable[Process], both: bool = True) -> None:
        """Let nothing pass from these to those; nor back, if `both`."""
        here, there = ([process.host for process in side] for side in (sources, targets))
        self._note(f"hosts {here} {'and' if both else 'to'} {there} are cut")
        self.network.cut(here, there, both)

    def heal(self) -> None:
        """Let everything pass again."""
        self._note("all cuts heal")
        self.network.heal()

    def mesh(self, size: int, **options: Any) -> list[Process]:
        """A mesh of so many nodes, each of which knows the first two; they meet in fair weather."""
        weather, self.network.weather = self.network.weather, Weather()
        nodes = [self.start(host, **options) for host in range(size)]
        for node in nodes:
            node.dial(*[host for host in (0, 1) if host != node.host], kept=True)
        assert self.run(FORM_S, lambda: agree(nodes)), "no mesh formed"
        self.network.weather = weather
        self.run(self.random.uniform(1, 3))
        return nodes

    def story(self) -> str:
        """What was done, and what everyone made of it."""
        names = {process.id: f"n{process.key}" for process in self.processes}
        lines = [(when, text) for when, text in self.harm]
        for node in self.processes:
            for when, id, held in node.verdicts():
                lines.append((when, f"n{node.key} holds {names.get(id, id[:6])} for {held}"))
        return "\n".join(f"{when:9.3f} {text}" for when, text in sorted(lines, key=lambda line: line[0]))

    def _note(self, text: str) -> None:
        self.harm.append((self.now, text))


def collect_seldom() -> None:
    """Worlds are large and short-lived: look for garbage once in a while, and only among what is made from now on."""
    if sys.implementation.name == "pypy":  # it does so on its own
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)


def agree(nodes: Iterable[Process]) -> bool:
    """Whether all of these hold the same, and each other for alive."""
    nodes = [*nodes]
    if len({node.membership.digest() for node in nodes}) > 1:
        return False
    return all(one.status(other) is Status.ALIVE for one in nodes for other in nodes)


def everyone_holds(nodes: Iterable[Process], subject: Process, status: Status) -> bool:
    """Whether all of these hold one node for this."""
    return all(node.status(subject) is status for node in nodes)
