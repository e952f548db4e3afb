"""Commands: what tools/sim does."""

import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

import tests.sim.properties  # noqa: F401 (registers them)
from mesh.gossip.overlay import FullMesh
from tests.sim.convergence import PROMISES, convergence
from tests.sim.deciding import decide
from tests.sim.detection import DEATHS, DETECTORS, Detection, deaths
from tests.sim.placing import place
from tests.sim.property import PROPERTIES, Failed, try_out
from tests.sim.stalls import CELLS, LASTS_S, SIZE, FalseDeaths, Stalls, false_deaths
from tests.sim.world import World, collect_seldom

S = TypeVar("S")
T = TypeVar("T")

BLOCK = 100
"""Seeds that everything is tried in before the next."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def sim() -> None:
    """Simulate meshes of any size, as fast as they can be computed."""


sim.add_command(decide)
sim.add_command(place)


@sim.command()
@click.option(
    "-n", "--nodes", type=int, multiple=True, default=(8, 32, 64, 128), show_default=True, help="Size of the mesh."
)
@click.option("--seeds", default=100, show_default=True, help="Worlds of each kind.")
@click.option(
    "--loss", type=float, multiple=True, default=(0.0, 0.05), show_default=True, help="Share of packets lost."
)
@click.option(
    "--by", type=click.Choice([*DETECTORS]), multiple=True, default=("ours", "memberlist"), show_default=True,
    help="Who finds out.",
)  # fmt: skip
def detect(nodes: tuple[int, ...], seeds: int, loss: tuple[float, ...], by: tuple[str, ...]) -> None:
    """How long it takes until a death is known, to the first and to all; ours beside memberlist's."""
    for size in nodes:
        table = Table(title=f"seconds until a death is known, {seeds} worlds each")
        for heading in ("nodes", "loss", "death", "by", "first", "all: median", "p99", "most"):
            table.add_column(heading, justify="left" if heading in ("death", "by") else "right")
        for lost in loss:
            for detector in by:
                title = f"{size} nodes, {lost:.0%} lost, {detector}"
                found = zip(*each(partial(deaths, detector, size, lost), range(seeds), title), strict=True)
                for death, times in zip(DEATHS, found, strict=True):
                    table.add_row(f"{size}", f"{lost:.0%}", death, detector, *summary(times))
        Console().print(table)


@sim.command()
@click.option(
    "-n", "--nodes", type=int, multiple=True, default=(8, 32), show_default=True, help="Size of the mesh."
)  # fmt: skip
@click.option("--seeds", default=100, show_default=True, help="Worlds of each kind.")
def converge(nodes: tuple[int, ...], seeds: int) -> None:
    """How long it takes until all hold the same again."""
    table = Table(title=f"seconds until all hold the same, {seeds} worlds each")
    for heading in ("nodes", "after", "promised", "median", "p99", "most"):
        table.add_column(heading, justify="left" if heading == "after" else "right")
    for size in nodes:
        found = zip(*each(partial(convergence, size), range(seeds), f"{size} nodes"), strict=True)
        for (after, promise), times in zip(PROMISES.items(), found, strict=True):
            table.add_row(f"{size}", after, f"{promise.most_s:g}", *spread(times))
    Console().print(table)


@sim.command()
@click.option("--seeds", default=10, show_default=True, help="Worlds of each kind.")
def stalls(seeds: int) -> None:
    """Who is falsely held for dead when nodes stall: everywhere / at the nodes that never stall."""
    table = Table(title=f"false deaths in {SIZE} nodes and {LASTS_S:.0f} s, mean of {seeds} worlds (least to most)")
    for heading in ("stalled", *DETECTORS, "memberlist / ours"):
        table.add_column(heading, justify="right")
    for cell in CELLS:
        found = {by: [*each(partial(stalled, by, cell), range(seeds), f"{cell}, {by}")] for by in DETECTORS}
        table.add_row(f"{cell}", *map(counted, found.values()), proportion(found["memberlist"], found["ours"]))
    Console().print(table)


@sim.command()
@click.option(
    "-n", "--nodes", type=int, multiple=True, default=(8, 32, 100), show_default=True, help="Size of the mesh."
)
def budget(nodes: tuple[int, ...]) -> None:
    """What an idle node sends."""
    table = Table("nodes", "heartbeat, s", "kB/s per node", title="what an idle node sends, without TCP and below")
    for size in nodes:
        world = World(1)
        mesh = world.mesh(size)
        world.network.counting = True
        world.run(10)
        spent = statistics.mean(node.bytes for node in mesh) / 10_000
        table.add_row(f"{size}", f"{FullMesh().period(size):.2f}", f"{spent:.1f}")
    Console().print(table)


@sim.command()
@click.argument("names", nargs=-1, type=click.Choice([*PROPERTIES]), metavar="[PROPERTY]...")
@click.option("--seeds", default=200, show_default=True, help="Worlds to try each property in.")
@click.option("--first", default=0, show_default=True, help="Seed of the first world.")
def check(names: tuple[str, ...], seeds: int, first: int) -> None:
    """Try properties, or all, in many worlds; say how to see again where one did not hold.

    All are tried in the first hundred worlds, then in the next; whoever ends it early knows how far it came.
    """
    held: Counter[str] = Counter()
    failures = 0
    for start in range(first, first + seeds, BLOCK):
        end = min(start + BLOCK, first + seeds)
        worlds = [(name, seed) for name in names or PROPERTIES for seed in PROPERTIES[name].seeds(start, end - start)]
        for name, failure in each(failure_of, worlds, f"seeds {start} to {end - 1}"):
            held[name] += not failure
            failures += bool(failure)
            if failure:
                click.echo(f"{name}: {failure}")
        click.echo(f"seeds {first} to {end - 1}: held in {held.total()} worlds, {failures} failures")
    for name, count in held.items():
        click.echo(f"{name:50} held in {count:6} worlds")
    click.echo(f"{failures} failures" if failures else "everything held")
    sys.exit(bool(failures))


@sim.command()
@click.argument("name", type=click.Choice([*PROPERTIES]), metavar="PROPERTY")
@click.option("--seed", default=0, show_default=True, help="Seed of the world.")
def run(name: str, seed: int) -> None:
    """Try a property in one world, and tell its story."""
    try:
        world, verdict = try_out(name, seed), "it held"
    except Failed as failure:
        world, verdict = failure.world, f"it did not hold: {failure}"
    click.echo(f"{PROPERTIES[name].check.__doc__}\n\n{world.story()}\n\n{verdict}\ntrace {world.trace_hash}")


@sim.command("list")
def list_properties() -> None:
    """The properties that a mesh must have."""
    for name, it in PROPERTIES.items():
        click.echo(f"{name:45} {it.check.__doc__}")


def each(measure: Callable[[S], T], seeds: Sequence[S], title: str) -> Iterator[T]:
    """The results of these seeds, computed on all cores."""
    results = workers().map(measure, seeds)
    yield from track(results, title, len(seeds), console=Console(stderr=True), transient=True)


@cache
def workers() -> ProcessPoolExecutor:
    """One for each core; they stay, for a Python that compiles what it repeats is the faster the longer it runs."""
    return ProcessPoolExecutor(os.cpu_count(), initializer=collect_seldom)


def stalled(by: str, cell: Stalls, seed: int) -> FalseDeaths:
    """In the world of this seed nodes stall."""
    return false_deaths(*DETECTORS[by](seed, SIZE, 0.0), cell)


def counted(found: list[FalseDeaths]) -> str:
    """Their mean, and the worlds with the fewest and the most."""
    means = (statistics.mean(counts) for counts in zip(*found, strict=True))
    least, most = min(found), max(found)
    text = "/".join(f"{mean:.1f}" for mean in means)
    return text if least == most else f"{text} ({least[0]}/{least[1]} to {most[0]}/{most[1]})"


def proportion(theirs: list[FalseDeaths], ours: list[FalseDeaths]) -> str:
    """How many times as many; with none of ours there is no number for it."""
    sums = [(sum(a), sum(b)) for a, b in zip(zip(*theirs, strict=True), zip(*ours, strict=True), strict=True)]
    return "/".join(f"{a / b:.1f}" if b else f"{a}:0" for a, b in sums)


def summary(found: tuple[Detection, ...]) -> list[str]:
    first = statistics.median(detection.first for detection in found)
    return [f"{first:.3f}", *spread(detection.everyone for detection in found)]


def spread(times: Iterable[float]) -> list[str]:
    """Their median, 99th percentile and most."""
    ordered = sorted(times)
    p99 = ordered[round(0.99 * (len(ordered) - 1))]
    return [f"{seconds:.3f}" for seconds in (statistics.median(ordered), p99, ordered[-1])]


def failure_of(world: tuple[str, int]) -> tuple[str, str]:
    """The property that was tried, and what did not hold, or ""."""
    try:
        try_out(*world)
    except Failed as failure:
        return world[0], str(failure)
    return world[0], ""
