"""Overlay: who hears whom directly, and how often a heart beats.

In the full mesh everyone hears everyone, so nothing is ever passed on. Beyond some 200 members a partial view belongs
here (HyParView's active view for the neighbours, Plumtree for what must reach all): same questions, other answers.
"""

from collections.abc import Collection
from typing import Protocol

PERIOD = 0.5
"""Seconds between heartbeats in a small mesh."""
SLOWER_BEYOND = 64
"""Members up to which it stays so; twice as many beat half as often, so that a node's bytes stay bounded."""


class Overlay(Protocol):
    """How the members of one mesh are connected."""

    def neighbours(self, others: Collection[str]) -> Collection[str]:
        """Those of the other living members whom this one is to hear directly."""

    def period(self, members: int) -> float:
        """Seconds between two heartbeats in a mesh of so many members."""


class FullMesh:
    """Everyone hears everyone."""

    def neighbours(self, others: Collection[str]) -> Collection[str]:
        return others

    def period(self, members: int) -> float:
        return PERIOD if members <= SLOWER_BEYOND else PERIOD * members / SLOWER_BEYOND
