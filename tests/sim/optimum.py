"""The optimum: the least that all players together can cost, whatever decides; something to be measured by."""

from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from math import inf


class Network:
    """Arcs with a capacity and a cost, through which flows as much as can, at the least cost."""

    def __init__(self) -> None:
        self._arcs: list[tuple[str, float]] = []
        """Where each arc leads, and its cost; the one after an even one is its way back."""
        self._room: list[int] = []
        self._out: dict[str, list[int]] = {}

    def arc(self, source: str, target: str, room: int, cost: float) -> None:
        """A way for so many, at this cost each."""
        for start, end, some, price in ((source, target, room, cost), (target, source, 0, -cost)):
            self._out.setdefault(start, []).append(len(self._arcs))
            self._arcs.append((end, price))
            self._room.append(some)

    def flow(self, source: str, sink: str) -> tuple[int, float]:
        """How many get through, and their cost: by successive shortest paths."""
        amount, cost = 0, 0.0
        potential = dict.fromkeys(self._out, 0.0)
        while path := self._shortest(source, sink, potential):
            some = min(self._room[arc] for arc in path)
            for arc in path:
                self._room[arc] -= some
                self._room[arc ^ 1] += some
                cost += some * self._arcs[arc][1]
            amount += some
        return amount, cost

    def _shortest(self, source: str, sink: str, potential: dict[str, float]) -> list[int]:
        """The arcs of the cheapest path with room; potentials keep what an arc costs from being less than nothing."""
        distance, by, heap = {source: 0.0}, dict[str, int](), [(0.0, source)]
        while heap:
            far, here = heappop(heap)
            if far > distance[here]:
                continue
            for arc in self._out[here]:
                there, cost = self._arcs[arc]
                reduced = far + max(cost + potential[here] - potential[there], 0.0)
                if self._room[arc] and reduced < distance.get(there, inf):
                    distance[there], by[there] = reduced, arc
                    heappush(heap, (reduced, there))
        if sink not in by:
            return []
        for vertex in potential:
            potential[vertex] += min(distance.get(vertex, inf), distance[sink])
        path = [by[sink]]
        while (here := self._arcs[path[-1] ^ 1][0]) != source:
            path.append(by[here])
        return path


def least_cost(demand: Mapping[str, int], room: Mapping[str, int], cost: Callable[[str, str], float]) -> float:
    """Of bringing each zone's players to hosts with room, by what it costs from this zone to that host."""
    network = Network()
    for zone, players in demand.items():
        network.arc("source", f"zone {zone}", players, 0.0)
    for host, players in room.items():
        network.arc(f"host {host}", "sink", players, 0.0)
        for zone in demand:
            network.arc(f"zone {zone}", f"host {host}", demand[zone], cost(zone, host))
    return network.flow("source", "sink")[1]


def least_tree(root: str, zones: Iterable[str], cost: Callable[[str, str], float]) -> float:
    """Of bringing a stream from one zone to these: each fetches it from the nearest that has it."""
    lacking, total = {*zones} - {root}, 0.0
    nearest = {zone: cost(root, zone) for zone in lacking}
    while nearest:
        zone = min(nearest, key=lambda it: nearest[it])
        total += nearest.pop(zone)
        nearest = {other: min(price, cost(zone, other)) for other, price in nearest.items()}
    return total
