"""meshctl route: where a client would be sent, and why."""

from collections.abc import Iterable
from typing import Any

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mesh.cli.output import api_options, show, styled, table


@click.command()
@click.argument("stream")
@click.option(
    "--explain",
    is_flag=True,
    help="List the nodes that were looked at, what their scores are made of, and why they lost.",
)
@click.option("--action", type=click.Choice(["play", "publish"]), help="What the client wants; play by default.")
@click.option("--proto", metavar="NAME", help="How it asks: flv (default), rtmp or ws.")
@click.option("--zone", metavar="ZONE", help="Where it is; the zone of the node that is asked by default.")
@click.option("--ip", metavar="ADDRESS", help="Its address, which tells its zone; that of meshctl by default.")
@click.option("--sid", metavar="SESSION", help="Its session: the same goes to the same node again.")
@api_options()
def route(stream: str, explain: bool, **wishes: str | None) -> None:
    """Say where a client that asks for STREAM would be sent."""
    query = {name: wish for name, wish in wishes.items() if wish}
    show(_route, "route", stream=stream.strip("/"), **query, **({"explain": "1"} if explain else {}))


def _route(reply: dict[str, Any]) -> Iterable[RenderableType]:
    where = f"  {reply['node']}  {reply['url']}" if "node" in reply else f"  {reply.get('status', '')}".rstrip()
    yield Text.assemble(styled(reply["action"]), where)
    for reason in reply["reasons"]:
        yield f"  {reason}"
    if "candidates" in reply:
        yield ""
        yield _candidates(reply["candidates"], reply["weights"])
    if others := reply.get("others"):
        yield f"{others} more were not looked at"


def _candidates(candidates: list[dict[str, Any]], weights: dict[str, float]) -> Table:
    """The best first; without the terms that are 0 for all of them."""
    terms = [term for term in weights if any(candidate["terms"][term] for candidate in candidates)]
    shown = table("node", "in", "has it as", *(f">{term}" for term in terms), ">score", "verdict")
    shown.add_row("weight", "", "", *(f"{weights[term]:g}" for term in terms), style="dim")
    for candidate in sorted(candidates, key=lambda candidate: (candidate["lost"] != "", candidate["score"])):
        shown.add_row(
            candidate["node"],
            candidate["zone"],
            candidate["role"] or "-",
            *(f"{candidate['terms'][term]:.2f}" for term in terms),
            f"{candidate['score']:.2f}",
            candidate["lost"] or Text("chosen", "green"),
        )
    return shown
