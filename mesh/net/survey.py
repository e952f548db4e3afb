"""Survey: asks every node what it holds, so that any of them can answer for all."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from mesh.control.message import HELD, Ask, Gathering, Held, HeldAnswer, held_answers
from mesh.gossip.member import Status
from mesh.net.gossip import Gossip

TIMEOUT_S = 0.5
ASKED = {Status.ALIVE, Status.DRAINING, Status.JOINING, Status.SUSPECT}


class Survey:
    """Questions of this node, and its answers to those of others."""

    def __init__(self, gossip: Gossip, held: Callable[[str], Sequence[Held]], random: Random) -> None:
        """`held` says what this node holds: of one stream, or of all for ""."""
        self._gossip = gossip
        self._held = held
        self._random = random
        self._open: dict[int, tuple[Gathering, asyncio.Event]] = {}
        gossip.on(Ask, self._asked)
        gossip.on(HeldAnswer, self._answered)

    async def held(self, stream: str = "") -> Gathering:
        """What all nodes hold, as far as they answer in time."""
        me = self._gossip.id
        peers = [id for id, member in self._gossip.tables.members.items() if id != me and member.status in ASKED]
        gathering = Gathering(self._random.getrandbits(63), peers)
        gathering.held[me] = {row.stream: row for row in self._held(stream)}
        complete = asyncio.Event()
        self._open[gathering.nonce] = (gathering, complete)
        try:
            for peer in peers:
                self._gossip.send(peer, Ask(gathering.nonce, HELD, stream))
            if peers:
                async with asyncio.timeout(TIMEOUT_S):
                    await complete.wait()
        except TimeoutError:
            pass
        finally:
            del self._open[gathering.nonce]
        members = self._gossip.tables.members.items()
        gathering.missing |= {id for id, member in members if member.status is Status.UNREACHABLE}
        return gathering

    def _asked(self, sender: str, ask: Ask) -> None:
        if ask.call == HELD:
            for answer in held_answers(ask.nonce, self._held(ask.argument)):
                self._gossip.send(sender, answer)

    def _answered(self, sender: str, answer: HeldAnswer) -> None:
        if answer.nonce in self._open:
            gathering, complete = self._open[answer.nonce]
            gathering.take(sender, answer)
            if not gathering.missing:
                complete.set()
