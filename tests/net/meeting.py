"""Gossips on loopback, each with a context and a directory of its own, as separate processes would have."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import zmq

from mesh import config
from mesh.config import Config
from mesh.gossip.event import Event
from mesh.gossip.member import Status
from mesh.net.gossip import Gossip
from mesh.net.state import State


def settings(directory: Path, *overrides: str, seeds: Sequence[Gossip] = (), secret: Path | str = "") -> Config:
    """A configuration of a node that finds others by these seeds only."""
    addresses = ",".join(f"127.0.0.1:{gossip.card.control}" for gossip in seeds)
    fixed = [f"node.data_dir={directory}", f"node.name={directory.name}", "mesh.mdns=false", "mesh.listen=127.0.0.1:0"]
    return config.load(None, [*fixed, f"mesh.seeds={addresses}", f"mesh.secret_file={secret}", *overrides], {})[0]


class Meeting:
    """Some nodes, and how to be rid of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gossips: list[Gossip] = []
        self.contexts: dict[Gossip, zmq.Context[zmq.Socket[bytes]]] = {}

    async def start(self, name: str, *overrides: str, seeds: Sequence[Gossip] = (), secret: Path | str = "") -> Gossip:
        """Start a node of this name; a second time it is the same node."""
        configured = settings(self.directory / name, *overrides, seeds=seeds, secret=secret)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        gossip = Gossip(configured, State.open(configured), context, 1935, 8080)
        self.contexts[gossip] = context
        await gossip.start()
        self.gossips.append(gossip)
        return gossip

    async def three(self) -> list[Gossip]:
        """Three that have met."""
        first = await self.start("a")
        gossips = [first, await self.start("b", seeds=[first]), await self.start("c", seeds=[first])]
        await self.met(*gossips)
        return gossips

    async def met(self, *gossips: Gossip) -> None:
        """Wait until each of these holds all others for alive."""
        await holds(lambda: all(status(one, other) == "alive" for one in gossips for other in gossips))

    async def kill(self, gossip: Gossip) -> None:
        """End a node without a goodbye."""
        self.gossips.remove(gossip)
        gossip._running.cancel()
        await asyncio.wait([gossip._running])
        gossip._alarm.cancel()
        gossip._flushing = True  # nothing leaves any more
        gossip._wires.close()
        gossip._state.close()
        await self._end(gossip)

    async def stop(self, gossip: Gossip) -> None:
        """End a node as it should."""
        self.gossips.remove(gossip)
        await gossip.stop()
        await self._end(gossip)

    async def _end(self, gossip: Gossip) -> None:
        """In a thread: while this loop waited for it, all would be late, and distrust themselves."""
        await asyncio.to_thread(self.contexts.pop(gossip).destroy, linger=0)


@asynccontextmanager
async def meeting(directory: Path) -> AsyncIterator[Meeting]:
    """A place for nodes to meet, which is empty afterwards."""
    place = Meeting(directory)
    try:
        yield place
    finally:
        for gossip in [*place.gossips]:
            await place.stop(gossip)


def status(one: Gossip, other: Gossip) -> Status | None:
    """What one node holds of another."""
    member = one.tables.members.get(other.id)
    return member.status if member else None


async def holds(true: object, seconds: float = 5.0) -> float:
    """Wait for something to become true; how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not true():  # type: ignore[operator]
        assert loop.time() < began + seconds, f"not so after {seconds} s"
        await asyncio.sleep(0.001)
    return loop.time() - began


def heard(gossip: Gossip, kind: type[Event]) -> list[Event]:
    """The events of one kind that a node will tell from now on."""
    events: list[Event] = []
    gossip.watch(lambda event: events.append(event) if isinstance(event, kind) else None)
    return events
