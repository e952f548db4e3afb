"""Patterns: what is done for the streams whose keys match, like "live/*"."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from mesh.config.rule import WORD, Rule

EVERYWHERE = "*"
"""In place of a zone: every zone."""
MOST_REPLICAS = 64
MOST_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Care:
    """What is done for a stream."""

    replicas: int = 0
    """How many nodes besides the leader hold it although nobody plays it there."""
    preload: tuple[str, ...] = ()
    """Zones in each of which one node does."""
    priority: int = 0
    """On a link that is too thin for all, the higher goes first."""


def care_for(stream: str, patterns: Mapping[str, Care]) -> Care:
    """That of the first pattern which the key matches."""
    return next((care for pattern, care in patterns.items() if fnmatchcase(stream, pattern)), NONE)


def _care(entry: tuple[str, Any]) -> tuple[str, Care]:
    pattern, table = entry
    preload = {**table}.get("preload", [])
    care = Care(**{**table, "preload": tuple(preload)})
    zones = type(preload) is list and all(
        type(zone) is str and (zone == EVERYWHERE or re.fullmatch(WORD, zone)) for zone in care.preload
    )
    numbers = type(care.replicas) is int and type(care.priority) is int
    if not (zones and numbers and 0 <= care.replicas <= MOST_REPLICAS and abs(care.priority) <= MOST_PRIORITY):
        raise ValueError
    return pattern, care


NONE = Care()
Patterns = Annotated[
    Mapping[str, Care],
    Rule(
        dict,
        'a pattern of stream keys with replicas (0 to 64), preload (zones, or ["*"]) and priority (-100 to 100)',
        _care,
    ),
]
