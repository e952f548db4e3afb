"""Stranger: somebody on the network who says whatever he is told to, under any name."""

from typing import Any

from mesh.config import Address
from mesh.gossip.member import Card
from mesh.gossip.message import PROTO, Message, Sender
from tests.sim.network import CONTROL, Network, host_name


class Stranger:
    """He has no membership; he counts what he is told."""

    def __init__(self, network: Network, host: int, id: str, boot: str = "f" * 16) -> None:
        self.host = host
        self.alive = True
        self.bytes = 0
        self.subscriptions: set[Address] = set()
        self.sender = Sender(id, boot, host_name(host))
        self.heard = 0
        self._network = network

    @property
    def card(self) -> Card:
        """As a node's, and true."""
        id, boot, host = self.sender
        return Card(id, "x", "", boot, 1, (host,), CONTROL, 7401, 7402, 1935, 8080, PROTO)

    def say(self, host: int, *messages: Message) -> None:
        """Over the control socket of a node."""
        for message in messages:
            self._network.send(self, Address(host_name(host), CONTROL), message)

    def receive(self, message: Message, sender: Sender) -> None:
        self.heard += 1

    def disconnected(self, address: Any) -> None:
        """He subscribes to nothing."""

    def refused(self, peer: str) -> None:
        """And knocks at no door."""
