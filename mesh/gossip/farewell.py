"""Farewell: leaving, and telling a goodbye from one that somebody else said.

A goodbye is believed at once, and its sender is asked at once: who has left does not answer. Where the mesh has no
secret anybody on the network can say goodbye in another's name; it costs that other a round trip, once.
"""

from mesh.gossip.links import Links
from mesh.gossip.member import Status
from mesh.gossip.message import Bye, Message, Pong
from mesh.gossip.roster import Peer, Roster
from mesh.gossip.suspicion import Suspicion


class Farewell:
    """Goodbyes, our own and those of others."""

    def __init__(self, roster: Roster, suspicion: Suspicion, links: Links) -> None:
        self._roster = roster
        self._suspicion = suspicion
        self._links = links

    def say(self) -> None:
        """Tell all, by both ways."""
        self._roster.outbox.publish(Bye())
        for peer in self._roster.living():
            self._roster.send(peer, Bye())

    def bye(self, peer: Peer, bye: Bye, now: float) -> None:
        """A peer says goodbye, or somebody in its name."""
        if not peer.impersonated:
            self._suspicion.forget(peer.id)
            self._roster.set_status(peer, Status.LEFT, now)
            self._links.ping(peer, now)

    def heard(self, peer: Peer, message: Message, now: float) -> None:
        """Something of a peer that has left: an answer means that it has not, all else may have been under way."""
        if isinstance(message, Pong) and self._links.pong(peer, message, now):
            peer.impersonated = True
            self._roster.set_status(peer, peer.says, now)
            self._suspicion.heard(peer, now)
