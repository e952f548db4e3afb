"""Dialing: addresses at which a node may answer, and when to try each again.

Where an address comes from (a seed, mDNS, a peer of last time, another member) makes no difference to what happens
with it: it gets a `Hello`, sooner at first and at most every half minute later, until it answers. The addresses of one
node are raced, the better one a moment ahead. Seeds that are addresses, and peers of last time, are never given up; all
others are a day after they were last heard of, and what a seed's name means is heard of twice a minute.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from mesh.config import Address
from mesh.gossip.allowance import Allowance

STAGGER = 0.1
"""Head start of a node's address over its next best."""
FIRST_WAIT = 1.0
MOST_WAIT = 30.0
GIVE_UP_S = 86_400.0
MAX_CANDIDATES = 2048
HELLOS = 20.0, 300.0
"""That are said in a second, and at once: each takes a socket for half a minute, and anybody can name addresses."""


@dataclass(slots=True)
class Candidate:
    """One address to try."""

    due: float
    until: float
    wait: float = FIRST_WAIT
    tried: float = float("-inf")
    id: str = ""
    """Who answered there, or is said to."""
    kept: bool = False


class Dialing:
    """Every address this node knows, but for those of the peers it is in touch with."""

    def __init__(self, in_touch: Callable[[str], bool], random: Random, now: float) -> None:
        """`in_touch` tells of an id whether its addresses need no trying now."""
        self.due = float("inf")
        self._allowance = Allowance(*HELLOS, now)
        self._in_touch = in_touch
        self._random = random
        self._candidates: dict[Address, Candidate] = {}

    def add(
        self, addresses: Iterable[Address], now: float, id: str = "", kept: bool = False, wait: float = 0.0
    ) -> None:
        """Try these, the first after `wait`; all of one node, best first, if its `id` is known."""
        for rank, address in enumerate(addresses):
            due = now + wait + (rank * STAGGER if id else 0.0)
            known = self._candidates.get(address)
            if known is None:
                if len(self._candidates) >= MAX_CANDIDATES:
                    self._make_room()
                known = self._candidates[address] = Candidate(due, now + GIVE_UP_S, id=id)
            known.id = id or known.id
            known.kept |= kept
            known.wait = FIRST_WAIT
            known.until = now + GIVE_UP_S
            known.due = max(min(known.due, due), known.tried + FIRST_WAIT)
            self.due = min(self.due, known.due)

    def answered(self, address: Address, id: str) -> bool:
        """Remember who is there; False if we never asked there."""
        known = self._candidates.get(address)
        if known:
            known.id = id
        return known is not None

    def drop(self, address: Address) -> None:
        """Forget an address: it is our own, or not whose it was thought to be."""
        self._candidates.pop(address, None)

    def tick(self, now: float) -> list[Address]:
        """The addresses to say hello to now."""
        if now < self.due:
            return []
        tried = []
        due = [(address, candidate) for address, candidate in self._candidates.items() if now >= candidate.due]
        for address, candidate in sorted(due, key=lambda it: (not it[1].kept, it[1].tried)):
            if self._in_touch(candidate.id) or now > candidate.until:
                self._rest(address, candidate, now)
                continue
            if not self._allowance.take(now):
                break
            candidate.tried = now
            candidate.due = now + candidate.wait * self._random.uniform(0.8, 1.2)
            candidate.wait = min(2 * candidate.wait, MOST_WAIT)
            tried.append(address)
        soonest = min((candidate.due for candidate in self._candidates.values()), default=float("inf"))
        self.due = max(soonest, now + STAGGER)
        return tried

    def _make_room(self) -> None:
        """Give up the oldest that need not be kept."""
        oldest = next((address for address, candidate in self._candidates.items() if not candidate.kept), None)
        if oldest:
            del self._candidates[oldest]

    def _rest(self, address: Address, candidate: Candidate, now: float) -> None:
        """Forget a candidate that is not needed now; keep a kept one for when it is."""
        if now < candidate.tried + MOST_WAIT:
            candidate.due = candidate.tried + MOST_WAIT  # its answer may be on the way
        elif candidate.kept:
            candidate.due, candidate.wait = now + FIRST_WAIT, FIRST_WAIT
            candidate.until = now + GIVE_UP_S
        else:
            del self._candidates[address]
