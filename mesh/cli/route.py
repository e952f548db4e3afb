"""meshctl route: where a client would be sent, and why."""

from collections.abc import Iterable
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from mesh.cli.output import api_options, show, styled, table


@click.command()
@click.argument("stream")
@click.option("--explain", is_flag=True, help="List every node, and why it was not chosen.")
@click.option("--action", type=click.Choice(["play", "publish"]), help="What the client wants; play by default.")
@click.option("--proto", metavar="NAME", help="How it asks: flv (default), rtmp or ws.")
@click.option("--zone", metavar="ZONE", help="Where it is; the zone of the node that is asked by default.")
@click.option("--ip", metavar="ADDRESS", help="Its address.")
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
        shown = table("node", "zone", "has it as", "verdict")
        for candidate in sorted(reply["candidates"], key=lambda candidate: candidate["lost"] != ""):
            verdict = candidate["lost"] or Text("chosen", "green")
            shown.add_row(candidate["node"], candidate["zone"], candidate["role"] or "-", verdict)
        yield ""
        yield shown
