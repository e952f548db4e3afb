"""Weights: what placement looks at, how much each of it counts, and where a node is full."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from mesh.config.rule import Rule

WEIGHTS: Mapping[str, float] = {
    "zone": 100.0,
    "cost": 30.0,
    "rtt": 30.0,
    "stream": 10.0,
    "room": 10.0,
    "young": 5.0,
    "loss": 5.0,
    "jitter": 2.0,
    "bandwidth": 1.0,
    "cpu": 1.0,
    "lag": 1.0,
    "players": 0.5,
    "memory": 0.2,
    "streams": 0.0,
    "depth": 0.0,
    "draw": 0.0,
}
"""What a node's score is made of, for a client: each term is from 0 to 1, so one that weighs more than all below it
together goes before them."""
SUPPLY: Mapping[str, float] = {
    "cost": 100.0,
    "room": 20.0,
    "rtt": 20.0,
    "loss": 20.0,
    "depth": 8.0,
    "children": 4.0,
    "jitter": 2.0,
    "bandwidth": 1.0,
}
"""The same for a node that looks for a supplier: where traffic costs anything, one of a zone fetches for all of it."""

POLICIES: Mapping[str, Mapping[str, float]] = {
    "weighted": {},
    "cpuload": {"cpu": 10},
    "bandwidth": {"bandwidth": 10},
    "players": {"players": 10},
    "streams": {"streams": 10},
    "region": {"zone": 10},
    "rtt": {"rtt": 10},
    "cost": {"cost": 10},
    "random": {"draw": 10},
}
"""What alone each policy weighs; `weighted` weighs as `balance.weights` says."""
ALIASES = {
    "any": "random",
    "sysload": "cpuload",
    "clients": "players",
    "bytespersec": "bandwidth",
    "regionaware": "region",
}
"""The names that other servers have for the same."""
ALGORITHMS = ("lowest", "twochoice")

LIMITS: Mapping[str, float] = {"cpu": 0.95, "memory": 0.95, "bandwidth": 0.9, "lag_ms": 500.0, "players": 0.0}
RANGES = {"cpu": (0.1, 1.0), "memory": (0.1, 1.0), "bandwidth": (0.1, 1.0), "lag_ms": (10, 10_000), "players": (0, 1e5)}


Range = tuple[float, float]
WEIGHT: Range = (0, 1000)


def _number(number: Any, least: float, most: float) -> float:
    if type(number) not in (int, float) or not least <= number <= most:
        raise ValueError
    return float(number)


def _numbers(ranges: Mapping[str, Range]) -> Callable[[tuple[str, Any]], tuple[str, float]]:
    def read(entry: tuple[str, Any]) -> tuple[str, float]:
        name, number = entry
        if name not in ranges:
            raise ValueError
        return name, _number(number, *ranges[name])

    return read


def _name(known: Collection[str], aliases: Mapping[str, str]) -> Callable[[str], str]:
    def read(name: str) -> str:
        if aliases.get(name, name) not in known:
            raise ValueError
        return aliases.get(name, name)

    return read


Policy = Annotated[str, Rule(str, f"one of {', '.join(POLICIES)}", _name(POLICIES, ALIASES))]
Algorithm = Annotated[str, Rule(str, " or ".join(ALGORITHMS), _name(ALGORITHMS, {}))]
Margin = Annotated[float, Rule(float, "a number from 0 to 1000", lambda number: _number(number, *WEIGHT))]
Weights = Annotated[
    Mapping[str, float],
    Rule(dict, f"a number from 0 to 1000 for {', '.join(WEIGHTS)}", _numbers(dict.fromkeys(WEIGHTS, WEIGHT))),
]
Supply = Annotated[
    Mapping[str, float],
    Rule(dict, f"a number from 0 to 1000 for {', '.join(SUPPLY)}", _numbers(dict.fromkeys(SUPPLY, WEIGHT))),
]
Limits = Annotated[
    Mapping[str, float],
    Rule(
        dict, ", ".join(f"{least:g} to {most:g} for {name}" for name, (least, most) in RANGES.items()), _numbers(RANGES)
    ),
]
