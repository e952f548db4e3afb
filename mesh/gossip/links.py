"""Links: what this node measures of the way to each peer, and tells a few of in every heartbeat."""

from collections.abc import Mapping
from dataclasses import replace

from mesh.gossip.member import Link
from mesh.gossip.message import Beat, Ping, Pong
from mesh.gossip.roster import Peer, Roster

TOLD = 4
"""Links in one beat; all of them go round in turn."""
EVERY = 2
"""Beats from one ping to the next."""
SMOOTHING = 8
"""A longer RTT than known counts one part in so many, a shorter one at once: queues are not distance."""
STEADY = 8
"""How far a round trip is from the one before counts one part in so many of the jitter."""


class Links:
    """Round-trip times, their jitter, losses and offsets of clocks, measured by pinging one peer per heartbeat."""

    def __init__(self, roster: Roster) -> None:
        self.epoch_ms = 0.0
        """What the wall clock shows when it is 0 by ours."""
        self._roster = roster
        self._pings: dict[str, tuple[int, float]] = {}
        self._last: dict[str, float] = {}
        """The last round trip to each peer, as it was."""
        self._turn = 0

    def ping(self, peer: Peer, now: float) -> None:
        """Measure the way to this peer."""
        nonce = self._roster.random.getrandbits(32)
        self._pings[peer.id] = nonce, now
        self._roster.send(peer, Ping(nonce))

    def answer(self, peer: Peer, ping: Ping, now: float) -> None:
        """Let another measure the way here."""
        self._roster.send(peer, Pong(ping.nonce, self._clock_ms(now)))

    def pong(self, peer: Peer, pong: Pong, now: float) -> bool:
        """Its answer; whether it is one to our last ping."""
        nonce, sent = self._pings.get(peer.id, (None, now))
        if pong.nonce != nonce:
            return False
        del self._pings[peer.id]
        rtt = 1000 * (now - sent)
        old = self._roster.links.get(peer.id, Link(rtt, 0.0))
        jitter = old.jitter_ms + (abs(rtt - self._last.get(peer.id, rtt)) - old.jitter_ms) / STEADY
        self._last[peer.id] = rtt
        smooth = min(rtt, old.rtt_ms + (rtt - old.rtt_ms) / SMOOTHING)
        # Half of the round trip is a guess at the way back, and the better the shorter it was.
        offset = pong.clock_ms - self._clock_ms((sent + now) / 2)
        offset_ms = old.offset_ms + (offset - old.offset_ms) / (SMOOTHING if rtt > smooth else 1)
        loss = round(peer.pulse.loss, 3)
        self._roster.links[peer.id] = Link(smooth, loss, round(jitter, 3), old.bps, round(offset_ms, 1))
        return True

    def carry(self, bps: Mapping[str, int]) -> None:
        """What streams from each peer bring at present."""
        for id, link in self._roster.links.items():
            if link.bps != (now := bps.get(id, 0)):
                self._roster.links[id] = link._replace(bps=now)

    def tell(self, beat: Beat, now: float) -> Beat:
        """Ping the next peer, if it is time to, and let the next beat tell of some links."""
        self._last = {id: rtt for id, rtt in self._last.items() if id in self._roster.links}
        peers = [peer for peer in self._roster.living() if peer.route]
        if not peers:
            return beat
        self._turn += 1
        if self._turn % EVERY == 0:
            self.ping(peers[self._turn // EVERY % len(peers)], now)
        told = [peers[(TOLD * self._turn + n) % len(peers)].id for n in range(min(TOLD, len(peers)))]
        links = [(id, self._roster.links[id]) for id in told if id in self._roster.links]
        rows = [(bytes.fromhex(id), int(100 * link.rtt_ms), int(1000 * link.loss)) for id, link in links]
        ways = [(int(100 * link.jitter_ms), link.bps // 1000) for _, link in links]
        return replace(beat, links=tuple(rows), ways=tuple(ways))

    def _clock_ms(self, now: float) -> int:
        return int(self.epoch_ms + 1000 * now)
