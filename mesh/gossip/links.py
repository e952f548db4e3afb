"""Links: what this node measures of the way to each peer, and tells a few of in every heartbeat."""

from mesh.gossip.member import Link
from mesh.gossip.message import Ping, Pong
from mesh.gossip.roster import Peer, Roster

TOLD = 4
"""Links in one beat; all of them go round in turn."""
EVERY = 2
"""Beats from one ping to the next."""
SMOOTHING = 8
"""A longer RTT than known counts one part in so many, a shorter one at once: queues are not distance."""


class Links:
    """Round-trip times and losses, measured by pinging one peer per heartbeat."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._pings: dict[str, tuple[int, float]] = {}
        self._turn = 0

    def ping(self, peer: Peer, now: float) -> None:
        """Measure the way to this peer."""
        nonce = self._roster.random.getrandbits(32)
        self._pings[peer.id] = nonce, now
        self._roster.send(peer, Ping(nonce))

    def pong(self, peer: Peer, pong: Pong, now: float) -> bool:
        """Its answer; whether it is one to our last ping."""
        nonce, sent = self._pings.get(peer.id, (None, now))
        if pong.nonce != nonce:
            return False
        del self._pings[peer.id]
        rtt = 1000 * (now - sent)
        old = self._roster.links.get(peer.id)
        if old and rtt > old.rtt_ms:
            rtt = old.rtt_ms + (rtt - old.rtt_ms) / SMOOTHING
        self._roster.links[peer.id] = Link(rtt, round(peer.pulse.loss, 3))
        return True

    def turn(self, now: float) -> tuple[tuple[bytes, int, int], ...]:
        """Ping the next peer, if it is time to, and return the links that the next beat tells of."""
        peers = [peer for peer in self._roster.living() if peer.route]
        if not peers:
            return ()
        self._turn += 1
        if self._turn % EVERY == 0:
            self.ping(peers[self._turn // EVERY % len(peers)], now)
        told = [peers[(TOLD * self._turn + n) % len(peers)].id for n in range(min(TOLD, len(peers)))]
        links = [(id, self._roster.links[id]) for id in told if id in self._roster.links]
        return tuple([(bytes.fromhex(id), int(100 * link.rtt_ms), int(1000 * link.loss)) for id, link in links])
