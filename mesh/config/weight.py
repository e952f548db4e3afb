"""Weights: what placement looks at, how much each of it counts, and where a node is full."""

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from mesh.config.rule import Rule

WEIGHTS: Mapping[str, float] = {
    "zone": 100.0,
    "cost": 20.0,
    "rtt": 20.0,
    "room": 10.0,
    "stream": 5.0,
    "bandwidth": 1.0,
    "cpu": 1.0,
    "lag": 1.0,
    "players": 0.5,
    "memory": 0.2,
    "streams": 0.0,
    "draw": 0.0,
}
"""Each term is from 0 to 1, so one that weighs more than all below it together goes before them."""
MOST_WEIGHT = 1000.0

POLICIES: Mapping[str, Mapping[str, float]] = {
    "weighted": {},
    "cpuload": {"cpu": 1},
    "bandwidth": {"bandwidth": 1},
    "players": {"players": 1},
    "streams": {"streams": 1},
    "region": {"zone": 1},
    "rtt": {"rtt": 1},
    "cost": {"cost": 1},
    "random": {"draw": 1},
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
MOST_LIMITS = {"cpu": 1.0, "memory": 1.0, "bandwidth": 1.0, "lag_ms": 10_000.0, "players": 100_000.0}


def _number(number: Any, most: float) -> float:
    if type(number) not in (int, float) or not 0 <= number <= most:
        raise ValueError
    return float(number)


def _numbers(most: Mapping[str, float]) -> Callable[[tuple[str, Any]], tuple[str, float]]:
    return lambda entry: (entry[0], _number(entry[1], most.get(entry[0], -1)))


def _name(known: Collection[str], aliases: Mapping[str, str]) -> Callable[[str], str]:
    def read(name: str) -> str:
        if aliases.get(name, name) not in known:
            raise ValueError
        return aliases.get(name, name)

    return read


Policy = Annotated[str, Rule(str, f"one of {', '.join(POLICIES)}", _name(POLICIES, ALIASES))]
Algorithm = Annotated[str, Rule(str, " or ".join(ALGORITHMS), _name(ALGORITHMS, {}))]
Margin = Annotated[float, Rule(float, "a number from 0 to 1000", lambda number: _number(number, MOST_WEIGHT))]
Weights = Annotated[
    Mapping[str, float],
    Rule(dict, f"a number from 0 to 1000 for {', '.join(WEIGHTS)}", _numbers(dict.fromkeys(WEIGHTS, MOST_WEIGHT))),
]
Limits = Annotated[
    Mapping[str, float],
    Rule(dict, ", ".join(f"0 to {most:g} for {name}" for name, most in MOST_LIMITS.items()), _numbers(MOST_LIMITS)),
]
