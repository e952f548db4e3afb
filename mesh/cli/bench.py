"""meshctl bench: load any server, and see what it makes of it."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

import click
import psutil
from rich.console import Console

from mesh.bench.clip import FPS, noise, read
from mesh.bench.load import Plan, play, publish
from mesh.bench.report import Report, Spread
from mesh.bench.wire import PLAY, PUBLISH
from mesh.cli.output import as_json, output_option, table
from mesh.errors import MeshError

F = TypeVar("F", bound=Callable[..., None])


@click.group()
def bench() -> None:
    """Load any server by URL, and measure what it makes of it."""


def load_options(command: F) -> F:
    """What both loads have."""
    for option in reversed(
        (
            click.argument("url"),
            click.option(
                "-n",
                "clients",
                type=click.IntRange(1),
                default=1,
                show_default=True,
                help="How many; {n} in URL is their number.",
            ),
            click.option(
                "--seconds", type=click.FloatRange(0.1), default=10.0, show_default=True, help="How long to measure."
            ),
            click.option(
                "--ramp",
                type=click.FloatRange(0),
                default=0.0,
                show_default=True,
                help="Seconds over which they begin.",
            ),
            click.option(
                "--settle",
                type=click.FloatRange(0),
                default=2.0,
                show_default=True,
                help="Seconds from the last join to the measuring.",
            ),
            click.option("--pid", type=int, help="The server's process, on this machine: measure its CPU and memory."),
            output_option,
        )
    ):
        command = option(command)
    return command


@bench.command("play")
@load_options
@click.option("--probes", default=1, show_default=True, help="Players who read everything, and so see delays.")
@click.option("--lazy", type=int, metavar="KBPS", help="How fast the others read, at most; 0: never after a keyframe.")
def play_(url: str, probes: int, lazy: int | None, **plan: Any) -> None:
    """Play URL (http:, ws: with FLV; rtmp:) many times. Redirects are followed."""
    _run(lambda hear: play(_plan(url, PLAY, **plan), probes, lazy, hear))


@bench.command("publish")
@load_options
@click.option("--file", help="An FLV file to send over and over; noise by default.")
@click.option("--kbps", default=2100, show_default=True, help="The rate of the noise.")
@click.option("--fps", type=click.IntRange(1), default=FPS, show_default=True, help="Pictures per second of the noise.")
@click.option("--sound/--no-sound", default=True, help="Whether there is sound in the noise.")
@click.option("--stamp", is_flag=True, help="Put the time into each picture, for the probes of `bench play`.")
@click.option("--chunk", type=click.IntRange(1), default=4096, show_default=True, help="RTMP's chunk size.")
def publish_(
    url: str, file: str | None, kbps: int, fps: int, sound: bool, stamp: bool, chunk: int, **plan: Any
) -> None:
    """Publish to URL (rtmp:, or http: with POST), or to many of them. Redirects are followed."""

    def load(hear: Callable[[str], None]) -> Report:
        clip = read(file) if file else noise(kbps, fps, sound)
        return publish(_plan(url, PUBLISH, **plan), clip, stamp, chunk, hear)

    _run(load)


def _plan(url: str, known: Iterable[str], clients: int, ramp: float, settle: float, **rest: Any) -> Plan:
    if url.partition(":")[0] not in known:
        raise click.BadParameter(f"{url} begins with none of {', '.join(f'{scheme}:' for scheme in known)}")
    urls = [url.replace("{n}", str(number)) for number in range(clients)]
    return Plan(urls, ramp_s=ramp, settle_s=settle, **rest)


def _run(load: Callable[[Callable[[str], None]], Report]) -> None:
    console = Console(stderr=True)
    try:
        with console.status("") as status:
            report = load(status.update)
    except (OSError, ValueError, MeshError, psutil.Error) as error:
        raise click.ClickException(str(error)) from None
    if as_json():
        click.echo(json.dumps(asdict(report) | {"cores": report.cores, "cpu_us": report.cpu_us}))
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(*_shown(report), sep="\n")
    if report.joined < report.clients:
        raise click.exceptions.Exit(1)


def _shown(report: Report) -> Iterable[Any]:
    yield f"{report.joined} of {report.clients} joined, {report.redirects} redirected; {report.seconds:.1f} s measured"
    spreads = table("", ">p50", ">p99", ">most")
    for name, unit, figures in (
        ("first byte", "ms", report.first_byte_ms),
        ("first keyframe", "ms", report.keyframe_ms),
        ("longest gap", "ms", report.gap_ms),
        ("delay", "ms", report.delay_ms),
        ("rate of each", "kb/s", report.kbps),
    ):
        if isinstance(figures, Spread):
            spreads.add_row(f"{name}, {unit}", *(f"{figure:.1f}" for figure in figures))
    yield spreads
    yield f"{report.mbps:.1f} Mb/s together"
    if report.cpu_us is not None and report.before and report.after:
        memory = f"{report.before.rss / 2**20:.1f} MiB, then {report.after.rss / 2**20:.1f}"
        yield f"server: {report.cores:.3f} cores, {report.cpu_us:.1f} µs per client and second; {memory}"
    for reason, count in report.errors.items():
        yield f"{count} x {reason}"
