"""meshctl streams, tree: what is live, and how it travels."""

from collections.abc import Iterable
from typing import Any

import click
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mesh.cli.output import api_options, show, styled, table


@click.command()
@api_options()
def streams() -> None:
    """List the streams of the mesh."""
    show(_streams, "streams")


@click.command()
@click.argument("stream")
@api_options()
def tree(stream: str) -> None:
    """Show the nodes that hold STREAM, and who fetches from whom."""
    show(_tree, f"streams/{stream.strip('/')}")


def _streams(reply: dict[str, Any]) -> Iterable[Table]:
    shown = table("stream", "state", "leader", "replicas", ">players", ">kb/s", "tracks")
    for stream in reply["streams"]:
        replicas = " ".join(replica["node"] for replica in stream["replicas"])
        shown.add_row(
            stream["stream"],
            styled(stream["state"]),
            stream["leader"] or "-",
            replicas or "-",
            str(stream["players"]),
            str(stream["kbps"]),
            _tracks(stream),
        )
    yield shown


def _tree(stream: dict[str, Any]) -> Iterable[Tree]:
    facts = [f"epoch {stream['epoch']}", f"{stream['kbps']} kb/s", _tracks(stream), _count(stream["players"], "player")]
    title = Text.assemble((stream["stream"], "bold"), "  ", styled(stream["state"]), "  ", ", ".join(facts))
    root = Tree(title, guide_style="dim")
    branches = stream["replicas"]
    trunk = root.add(Text.assemble((stream["leader"], "bold"), "  leads")) if stream["leader"] else root
    _grow(trunk, branches, stream["head"])
    yield root


def _grow(trunk: Tree, branches: list[dict[str, Any]], head: int | None) -> None:
    for branch in branches:
        facts = "no answer"
        if branch["head"] is not None:
            facts = _count(branch["players"], "player")
            if head is not None:
                facts += f", {_count(max(0, head - branch['head']), 'frame')} behind"
        _grow(trunk.add(Text.assemble((branch["node"], "bold"), "  ", facts)), branch["replicas"], head)


def _tracks(stream: dict[str, Any]) -> str:
    return ", ".join(filter(None, (stream["video"], stream["audio"]))) or "no tracks yet"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
