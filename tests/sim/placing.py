"""tools/sim place: how players are placed in fleets of any size, by ours and by other ways, beside the optimum."""

import gc
import statistics
from collections.abc import Callable
from itertools import product
from math import inf
from pathlib import Path
from random import Random

import click
from rich.console import Console
from rich.table import Table

from tests.sim import chart
from tests.sim.crowd import Crowd, Outcome
from tests.sim.fleet import Fleet
from tests.sim.rivals import WAYS

WIDE = 170
COLUMNS: dict[str, Callable[[Crowd], str]] = {
    "refused": lambda crowd: f"{crowd.refused / crowd.joined:.2%}",
    "over, s": lambda crowd: f"{sum(seen.over for seen in crowd.seen)}",
    "fullest": lambda crowd: f"{max(seen.fullest for seen in crowd.seen):.0%}",
    "in use": lambda crowd: f"{mean(crowd, lambda it: it.share):.0%}",
    "spread": lambda crowd: f"{mean(crowd, lambda it: it.spread):.2f}",
    "at home": lambda crowd: f"{mean(crowd, lambda it: it.at_home):.1%}",
    "RTT, ms": lambda crowd: f"{mean(crowd, lambda it: it.rtt_ms):.1f}",
    "times": lambda crowd: f"{rtt(crowd):.2f}",
    "cost": lambda crowd: f"{mean(crowd, lambda it: it.cost):.3f}",
    "times ": lambda crowd: f"{cost(crowd):.2f}",
    "lingers": lambda crowd: f"{mean(crowd, lambda it: it.lingering / it.cost if it.cost else 0.0):.0%}",
    "copies": lambda crowd: f"{mean(crowd, lambda it: it.copies):.0f}",
    "depth": lambda crowd: f"{mean(crowd, lambda it: it.depth):.1f} ({max(it.deepest for it in crowd.outcomes)})",
    "sent on": lambda crowd: f"{crowd.redirected / crowd.joined:.0%}",
}


@click.command()
@click.option("-n", "--hosts", default=100, show_default=True, help="Size of the fleet.")
@click.option("--zones", default=10, show_default=True, help="Zones, of different sizes.")
@click.option("--players", default=20_000, show_default=True, help="Players of the crowd.")
@click.option("--streams", default=10_000, show_default=True, help="Streams, whose popularity falls off as Zipf says.")
@click.option(
    "--filled",
    "shares",
    default=[0.55],
    show_default=True,
    multiple=True,
    help="Share of the fleet that the players fill by themselves.",
)
@click.option(
    "--seed", "seeds", default=[1], show_default=True, multiple=True, help="Of everything that is left to chance."
)
@click.option(
    "--way", "ways", type=click.Choice([*WAYS]), multiple=True, help="How to choose; all of these by default."
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="An SVG to draw.")
def place(
    hosts: int,
    zones: int,
    players: int,
    streams: int,
    shares: tuple[float, ...],
    seeds: tuple[int, ...],
    ways: tuple[str, ...],
    plot: Path | None,
) -> None:
    """Place a crowd of players, every host deciding at once by tables a second old."""
    table = Table(title=f"{players:,} players of {streams:,} streams at {hosts} hosts in {zones} zones")
    for heading in ("way", "filled", "seed"):
        table.add_column(heading)
    for heading in COLUMNS:
        table.add_column(heading.strip(), justify="right")
    crowds: dict[str, Crowd] = {}
    # What a crowd consists of is needed to its end, and in no circles.
    gc.disable()
    for filled, seed, way in product(shares, seeds, ways or WAYS):
        random = Random(seed)
        crowds[way] = Crowd(Fleet(hosts, zones, streams, players / filled, random), WAYS[way], players, random)
        crowds[way].run()
        table.add_row(way, f"{filled:g}", f"{seed}", *(show(crowds[way]) for show in COLUMNS.values()))
    gc.enable()
    Console(width=WIDE).print(table)
    if plot:
        plot.write_text(drawn(crowds))


def mean(crowd: Crowd, figure: Callable[[Outcome], float]) -> float:
    """Before the flash crowd, after it, and after the death."""
    return statistics.fmean(map(figure, crowd.outcomes))


def rtt(crowd: Crowd) -> float:
    """How many times the least mean round trip."""
    return mean(crowd, lambda it: times(it.rtt_ms, it.least_rtt_ms))


def cost(crowd: Crowd) -> float:
    """How many times the least cost."""
    return mean(crowd, lambda it: times(it.cost, it.least_cost))


def times(seen: float, least: float) -> float:
    """How many times the least; where nothing would do, as in a single zone, nothing is once that."""
    return seen / least if least else 1.0 if not seen else inf


def drawn(crowds: dict[str, Crowd]) -> str:
    """What was seen."""
    fullest = {way: [(seen.at, seen.fullest) for seen in crowd.seen] for way, crowd in crowds.items()}
    refused = {
        way: [(now.at, now.refused - then.refused) for then, now in zip(crowd.seen, crowd.seen[1:], strict=False)]
        for way, crowd in crowds.items()
    }
    times = {"round trip": rtt, "cost between zones": cost}
    most = max(y for line in refused.values() for _, y in line) or 1
    return chart.page(
        chart.bars("Times the least that was possible", {
            name: {way: times[name](crowd) for way, crowd in crowds.items()} for name in times
        }, 8),
        chart.lines("Share of its capacity that the fullest host sends", fullest, 1.2),
        chart.lines("Players refused in a second, because the host they were sent to had filled up", refused, most),
    )  # fmt: skip
