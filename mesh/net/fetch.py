"""Fetch: one stream on its way into a log of this node."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from mesh.gossip.tables import Tables
from mesh.net.alarm import Alarm
from mesh.net.security import Options, Security
from mesh.relay.follower import Follower
from mesh.relay.state import State


class Peers(Protocol):
    """The other nodes, and how to speak with them."""

    @property
    def id(self) -> str:
        """This node's own id."""

    def send(self, peer: str, message: Any) -> bool:
        """Send one control message; False if that cannot be."""

    def on(self, message_type: type, callback: Callable[[str, Any], None]) -> None:
        """Hand messages of this type, and the ids of their senders, to `callback`."""

    @property
    def tables(self) -> Tables:
        """How they are."""

    @property
    def security(self) -> Security:
        """Who may send media."""

    def media_endpoint(self, peer: str) -> str | None:
        """Where a peer's PULL is bound; None if that is not known."""

    def media_options(self, peer: str) -> Options:
        """What to show there."""

    def rtt_s(self, peer: str) -> float:
        """The round trip to a peer."""


class Fetch:
    """A follower with a clock, and a way to its supplier."""

    def __init__(self, follower: Follower, peers: Peers, changed: Callable[["Fetch", State], None]) -> None:
        self.follower = follower
        self._peers = peers
        self._changed = changed
        self._alarm = Alarm(follower, self.settle)

    @property
    def supplier(self) -> str:
        """The node it is fetched from."""
        return self.follower.supplier

    @property
    def path(self) -> tuple[str, ...]:
        """The nodes from the leader down to the supplier."""
        return self.follower.path

    @property
    def state(self) -> State:
        """How it stands."""
        return self.follower.state

    @property
    def reason(self) -> str:
        """Why it is lost or gone."""
        return self.follower.reason

    def switch(self, supplier: str) -> None:
        """Go on from another supplier, which takes over once it delivers."""
        self.follower.open(supplier, asyncio.get_running_loop().time())
        self.settle()

    def close(self) -> None:
        """Fetch no more. A second time is no error."""
        self.follower.close()
        self.settle()
        self._alarm.cancel()

    def settle(self) -> None:
        """Act on what the follower has come up with."""
        for peer, message in self.follower.messages_to_send():
            self._peers.send(peer, message)
        while state := self.follower.next_event():
            self._changed(self, state)
        self._alarm.set()
