"""meshctl quality: how well streams travel from node to node."""

from collections.abc import Iterable
from typing import Any

import click
from rich.table import Table

from mesh.cli.output import api_options, show, table


@click.command()
@api_options()
def quality() -> None:
    """List each hop of each stream: how late it is, what it skipped and lost, and how good the way is."""
    show(_quality, "quality")


def _quality(reply: dict[str, Any]) -> Iterable[Table]:
    shown = table("stream", "node", "from", ">lag ms", ">skips", ">losses", ">rtt ms", ">jitter ms", ">loss")
    for hop in reply["hops"]:
        counts = [_known(hop[name], "d") for name in ("lag_ms", "skips", "losses")]
        way = [_known(hop["rtt_ms"], ".1f"), _known(hop["jitter_ms"], ".1f"), _known(hop["loss"], ".1%")]
        shown.add_row(hop["stream"], hop["node"], hop["supplier"], *counts, *way)
    yield shown


def _known(number: float | None, form: str) -> str:
    return "-" if number is None else format(number, form)
