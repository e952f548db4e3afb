"""Star and chain: replicas, each with a player, that are fed as a shape says."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from tests.e2e.cluster import Cluster, Node, eventually
from tests.e2e.network import Network
from tests.e2e.player import Player
from tests.e2e.tasks import running

KEY = "live/x"
SHAPES = {"star": {"b": "a", "c": "a", "d": "a"}, "chain": {"b": "a", "c": "b", "d": "c"}}
"""Who feeds whom."""
SETTINGS: dict[str, dict[str, str]] = {
    "star": {},
    "chain": {"balance__supply": "{depth = 0, children = 0, jitter = 0}"},
}
"""A star comes about as nodes are; in a chain nobody may look for a shorter way than the one that it gives him."""
PLAYS = 100
"""Frames that a player must have got before the next joins: some two seconds."""


def fed(node: Node) -> dict[str, str]:
    """Who feeds each replica, as a node knows it."""
    row = node.stream(KEY) or {"replicas": []}
    return {replica["node"]: replica["supplier"] for replica in row["replicas"]}


def url(node: Node) -> str:
    """Where to play from exactly this node."""
    return f"{node.http}/{KEY}.flv?wait=9&redirect=0"


@asynccontextmanager
async def playing_in(
    shape: dict[str, str],
    network: Network,
    cluster: Cluster,
    make: Callable[[Node], Any] = lambda node: Player(url(node)),
) -> AsyncIterator[dict[str, Any]]:
    """A player of the leader, and of the replicas, each of which reaches only its supplier as it joins.

    The stream is published already. When the block begins, all links are whole and all nodes see each other.
    """
    nodes = cluster.nodes
    (root,) = set(shape.values()) - set(shape)
    players = {name: make(nodes[name]) for name in (root, *shape)}
    async with AsyncExitStack() as stack:
        await eventually(lambda: (nodes[root].stream(KEY) or {"leader": ""})["leader"] == root, f"{root} leads", 30)
        for name, player in players.items():
            if name in shape:
                network.cut(name, [other for other in nodes if other not in (name, shape[name])])
            await stack.enter_async_context(running(player.run()))
            await eventually(lambda player=player: len(player.arrivals) > PLAYS, f"{name} plays", 90)
            network.heal()
        await eventually(lambda: shape.items() <= fed(nodes[root]).items(), f"{root} sees {shape}", 90)
        await eventually(lambda: all(node.sees(*nodes) for node in nodes.values()), "all see all", 30)
        yield players
