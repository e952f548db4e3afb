"""meshctl drain, undrain, switch, preload: have a node send its clients away, a standby lead, or a stream kept near."""

import json
import time
from collections.abc import Iterator

import click

from mesh.cli.client import ApiError, Client
from mesh.cli.output import api_options, as_json, asked, understood

POLL_S = 0.5
SURE = 3
"""Looks in a row at which nobody was left: what a node says of its players is up to a second old."""


@click.command()
@click.argument("node")
@api_options()
def drain(node: str) -> None:
    """Send the clients of NODE away, and wait until they have gone."""
    if _told(f"nodes/{node}/drain"):
        for line in _progress(asked(), node):
            click.echo(line)


@click.command()
@click.argument("node")
@api_options()
def undrain(node: str) -> None:
    """Let NODE take clients again."""
    if _told(f"nodes/{node}/undrain"):
        click.echo(f"{node} takes clients again")


@click.command()
@click.argument("stream")
@click.argument("node")
@api_options()
def switch(stream: str, node: str) -> None:
    """Let the standby of STREAM that waits at NODE lead it."""
    if _told(f"streams/{stream.strip('/')}/switch", node=node):
        click.echo(f"{node} leads {stream.strip('/')}")


@click.command()
@click.argument("stream")
@click.option("--node", help="Keep it at this node.")
@click.option("--zone", help="Keep it at a node of this zone.")
@click.option("--seconds", default=60, show_default=True, help="For how long.")
@api_options()
def preload(stream: str, node: str | None, zone: str | None, seconds: int) -> None:
    """Have STREAM kept where its players are about to come."""
    if (node is None) == (zone is None):
        raise click.UsageError("expected either --node or --zone")
    where = {"node": node} if node is not None else {"zone": zone or ""}
    if _told(f"streams/{stream.strip('/')}/preload", **where, seconds=str(seconds)):
        click.echo(f"{stream.strip('/')} is kept for {seconds} s")


def _told(path: str, **query: str) -> bool:
    """Tell the node that is asked; whether there is more to say than the JSON it answers."""
    client = asked()
    body = client.post(path, **query)
    with understood(client):
        json.loads(body)["order"]
    if as_json():
        click.echo(body, nl=False)
    return not as_json()


def _progress(client: Client, name: str) -> Iterator[str]:
    """What is still left on a node, whenever that changes. Raises `ApiError` if it stops to drain."""
    said, own, empty = "", client.url, 0
    while empty < SURE:
        try:
            with understood(client):
                nodes, streams = (json.loads(client.get(path))[path] for path in ("nodes", "streams"))
                node = next((node for node in nodes if node["name"] == name), None)
                status, own = (node["status"], node["urls"]["http"]) if node else ("gone", own)
        except ApiError:
            if client.url == own:
                status = "gone"
            else:
                client = Client(own)  # who was asked does not answer; the node itself may
                continue
        if node is None or status in ("gone", "left", "dead"):
            yield f"{name} is {status}"
            return
        if status != "draining":
            raise ApiError(f"{name} is {status}, and drains no longer")
        players, leads = node["load"]["players"], sum(stream["leader"] == name for stream in streams)
        empty = 0 if players or leads else empty + 1
        if not empty and (line := f"{name}: {players} players, {leads} streams published") != said:
            yield line
            said = line
        time.sleep(POLL_S)
    yield f"{name} has no clients left"
