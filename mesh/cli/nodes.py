"""meshctl nodes: who is there, and how busy."""

from collections.abc import Iterable
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from mesh.cli.output import api_options, short, show, styled, table

ILL = "ill"
"""What alone is told of an alive node that is not to be chosen; the API has both."""


@click.command()
@api_options()
def nodes() -> None:
    """List the nodes of the mesh; what they receive and send is in bits per second."""
    show(_nodes, "nodes")


def _nodes(reply: dict[str, Any]) -> Iterable[RenderableType]:
    shown = table("node", "zone", "status", ">cpu", ">mem", ">in", ">out", ">players", ">streams", "address")
    for node in reply["nodes"]:
        shown.add_row(node["name"], node["zone"], styled(_status(node)), *_load(node), _address(node))
    yield shown
    for node in reply["nodes"]:
        if _status(node) == ILL:
            yield Text(f"{node['name']} is ill: {node['load']['ill']}")


def _status(node: dict[str, Any]) -> str:
    return ILL if node["status"] == "alive" and node["load"].get("ill") else str(node["status"])


def _load(node: dict[str, Any]) -> list[str]:
    if node["status"] in ("dead", "left"):
        return ["-"] * 6
    load = node["load"]
    shares = [f"{load['cpu']:.0%}", f"{load['mem']:.0%}"]
    return [*shares, short(load["rx_bps"]), short(load["tx_bps"]), str(load["players"]), str(load["streams"])]


def _address(node: dict[str, Any]) -> str:
    return str(node["urls"]["http"]).removeprefix("http://")
