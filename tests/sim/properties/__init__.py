"""All properties, by subject; importing them registers them."""

from tests.sim.properties import abuse, agreement, cost, death, rejoining, relaying, repetition

__all__ = ["abuse", "agreement", "cost", "death", "rejoining", "relaying", "repetition"]
