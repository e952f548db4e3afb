"""What nodes ask each other, so that any of them can answer the API for all.

A question goes to every node at once. Its answer comes as one or more messages under the same nonce; whoever has not
said everything in time is named as missing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mesh.media.wire import message

HELD: Final = "held"
"""The call that is answered by `HeldAnswer`: which streams do you hold? The argument is one of them, or "" for all."""

ROWS = 200
"""Rows of one message: even with the longest stream keys it stays far below what a message may have."""


@message(64)
@dataclass(frozen=True, slots=True)
class Ask:
    """A question of one node to another."""

    nonce: int
    call: str
    argument: str


@dataclass(frozen=True, slots=True)
class Held:
    """One stream that a node holds."""

    stream: str
    head: int
    """The offset where its log ends."""
    players: int
    """How many it serves."""
    lag_ms: int = 0
    """How late its supplier sent it the newest frames."""
    skips: int = 0
    """How often it skipped to a keyframe, because it came too late."""
    losses: int = 0
    """How often something got lost on the way to it, and was fetched again."""


@message(65)
@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """Streams that the answering node holds."""

    nonce: int
    rows: tuple[Held, ...]
    more: bool
    """Whether another message of this answer follows."""


def held_answers(nonce: int, held: Sequence[Held]) -> Iterator[HeldAnswer]:
    """The answer in messages of bearable size; at least one."""
    for start in range(0, len(held) or 1, ROWS):
        yield HeldAnswer(nonce, tuple(held[start : start + ROWS]), start + ROWS < len(held))


class Gathering:
    """The answers to one question."""

    def __init__(self, nonce: int, nodes: Iterable[str]) -> None:
        """`nodes` are the ids of those who were asked."""
        self.nonce = nonce
        self.missing = set(nodes)
        """Who has not said everything yet."""
        self.held: dict[str, dict[str, Held]] = {}
        """By node and stream."""

    def take(self, node: str, answer: HeldAnswer) -> None:
        """Add what one node says; what was not asked of it is ignored."""
        if answer.nonce != self.nonce or node not in self.missing:
            return
        self.held.setdefault(node, {}).update({row.stream: row for row in answer.rows})
        if not answer.more:
            self.missing.discard(node)
