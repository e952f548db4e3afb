"""What every command shares: which node to ask, and how to show what it says."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from mesh.cli.client import ApiError, Client

PIPE_COLUMNS = 100_000
"""The width where there is no terminal: nothing is cut or wrapped for the program that reads it."""
STYLES = {
    **dict.fromkeys(("alive", "live", "serve", "open"), "green"),
    **dict.fromkeys(("joining", "ill", "suspect", "draining", "stalled", "redirect"), "yellow"),
    **dict.fromkeys(("dead", "unreachable", "refuse", "refused", "silent"), "red"),
    "left": "dim",
}
F = TypeVar("F", bound=Callable[..., None])


def _remember(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.find_root().ensure_object(dict)[parameter.name] = value


def api_options(envvar: str | None = None) -> Callable[[F], F]:
    """Give a command -u and -o; the group has them too, so they may stand before or after the command."""

    def add(command: F) -> F:
        url = click.option(
            "-u", "--url", envvar=envvar, metavar="URL", expose_value=False, callback=_remember,
            help="Node to ask; MESHCTL_URL, or else http://127.0.0.1:8080.",
        )  # fmt: skip
        return url(output_option(command))

    return add


def output_option(command: F) -> F:
    """Give a command -o."""
    return click.option(
        "-o", "--output", type=click.Choice(["table", "json"]), expose_value=False, callback=_remember,
        help="A table, or JSON as it is.",
    )(command)  # fmt: skip


def asked() -> Client:
    """The API of the node that is asked."""
    return Client(_options().get("url", "http://127.0.0.1:8080"))


def as_json() -> bool:
    """Whether the API's JSON is wanted as it is."""
    return _options().get("output") == "json"


def _options() -> dict[str, str]:
    options: dict[str, str] = click.get_current_context().find_root().ensure_object(dict)
    return options


def show(render: Callable[[Any], Iterable[RenderableType]], path: str, **query: str) -> None:
    """Ask the node, and print what it says: as it is, or as `render` makes it of the parsed JSON."""
    client = asked()
    body = client.get(path, **query)
    if as_json():
        click.echo(body, nl=not body.endswith("\n"))
        return
    with understood(client):
        reply = json.loads(body)
        renderables = list(render(reply))
    console = Console(
        highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS
    )  # fmt: skip
    console.print(*renderables, sep="\n")
    if missing := reply.get("partial"):
        click.echo(f"no answer from {', '.join(missing)}: what only they know is missing", err=True)


@contextmanager
def understood(client: Client) -> Iterator[None]:
    """Read what a node has answered within. Raises `ApiError` if it makes no sense: there may be another server."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ApiError(f"{client.url} does not answer like a Mediamesh node") from None


def table(*columns: str) -> Table:
    """An empty table; a column whose title begins with ">" is for numbers."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        shown.add_column(column.lstrip(">").upper(), justify="right" if column.startswith(">") else "left")
    return shown


def styled(word: str) -> Text:
    """A status, state or action in its colour."""
    return Text(word, STYLES.get(word, ""))


def short(number: float) -> str:
    """A number in three figures: 950, 2.1k, 35M."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 999.5 or unit == "T":
            return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"
        number /= 1000
    raise AssertionError
