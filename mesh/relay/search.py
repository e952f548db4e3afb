"""Search: which of the others is ahead of this log, for when its supplier brings nothing.

A few of them are asked with each question to the supplier, the next few with the next: the best are asked first, but
where a leader has died anyone may hold the end of the log. Who is ahead can be followed without a thought for rings,
for nobody follows who is behind.
"""

from collections.abc import Callable, Sequence
from random import Random

from mesh.relay.message import AskHead, Head

ASKED = 3
"""How many with each question."""
MANY = 64
"""Questions of which an answer is still heeded."""


class Search:
    """The others' heads, as they say them while there is no media."""

    def __init__(self, stream: str, others: Callable[[], Sequence[str]], random: Random) -> None:
        """`others` are the nodes that have the stream, best first; ids come from `random`."""
        self._stream = stream
        self._others = others
        self._random = random
        self._asked: dict[int, str] = {}
        self._heads: dict[str, int] = {}
        self._turn = 0

    def questions(self, besides: str) -> list[tuple[str, AskHead]]:
        """Questions for the next few, without the supplier."""
        others = [node for node in self._others() if node != besides]
        first = self._turn % len(others) if others else 0
        few = (others[first:] + others[:first])[:ASKED]
        self._turn += ASKED
        ids = [self._random.getrandbits(64) for _ in few]
        self._asked.update(zip(ids, few, strict=True))
        for id in list(self._asked)[:-MANY]:
            del self._asked[id]  # nobody answers it any more
        return [(node, AskHead(self._stream, id)) for id, node in zip(ids, few, strict=True)]

    def answered(self, message: Head, sender: str) -> bool:
        """Whether this is an answer to one of them."""
        if self._asked.get(message.link) != sender:
            return False
        del self._asked[message.link]
        self._heads[sender] = message.head[2] if message.head else 0
        return True

    def ahead_of(self, head: int) -> str | None:
        """The best of those that said they are further; to be named again it has to say so again."""
        ahead = {node for node, other in self._heads.items() if other > head}
        best = next((node for node in self._others() if node in ahead), None) if ahead else None
        if best:
            del self._heads[best]
        return best

    def end(self) -> None:
        """There is media again."""
        if self._asked or self._heads:
            self._asked.clear()
            self._heads.clear()
            self._turn = 0
