"""meshctl doctor: what keeps a node from others."""

from collections.abc import Iterable
from typing import Any

import click
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from mesh.cli.output import api_options, show, styled, table


@click.command()
@api_options()
def doctor() -> None:
    """Find out who can connect to whom, and name what to look at."""
    show(_examination, "doctor")


def _examination(found: dict[str, Any]) -> Iterable[RenderableType]:
    secret = "with a secret" if found["secret"] else "without a secret"
    yield Text.assemble((found["node"], "bold"), f"  mesh {found['mesh']}, {secret}, protocol {found['protocol']}")
    for title, rows in (
        ("It can be reached at", _addresses(found["addresses"])),
        ("Its seeds", _seeds(found["seeds"])),
        ("The others", _peers(found["peers"])),
    ):
        if rows.row_count:
            yield ""
            yield Text(title)
            yield rows
    yield ""
    if not found["suspects"]:
        yield Text("Nothing is wrong.", "green")
    for suspect in found["suspects"]:
        yield Text.assemble((suspect["suspect"], "bold red"), f"  {suspect['where']} {suspect['says']}")


def _addresses(rows: list[dict[str, Any]]) -> Table:
    shown = table("address", "port", "open to", "refused to", "silent to")
    for row in rows:
        shown.add_row(row["address"], row["port"], *(_names(row[verdict]) for verdict in ("open", "refused", "silent")))
    return shown


def _seeds(rows: list[dict[str, Any]]) -> Table:
    shown = table("seed", "address", "tcp", "node", "trouble")
    for row in rows:
        known = row["node"] or "-"
        shown.add_row(row["seed"], row["address"] or "unknown", styled(row["verdict"]), known, row["trouble"])
    return shown


def _peers(rows: list[dict[str, Any]]) -> Table:
    shown = table("node", "status", "address", ">heard", ">rtt", ">loss", "control", "gossip", "media", "trouble")
    for row in rows:
        heard, rtt, loss = row["age_ms"], row["rtt_ms"], row["loss"]
        shown.add_row(
            row["node"],
            styled(row["status"]),
            row["address"],
            "-" if heard is None else f"{heard / 1000:.1f} s ago",
            "-" if rtt is None else f"{rtt:.1f} ms",
            "-" if loss is None else f"{loss:.0%}",
            *(styled(row["ports"].get(port, "-")) for port in ("control", "gossip", "media")),
            row.get("trouble", ""),
        )
    return shown


def _names(names: list[str]) -> str:
    return " ".join(names) or "-"
