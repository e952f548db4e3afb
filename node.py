#!/usr/bin/env python3
"""The command that each host runs: read a configuration, build a node, run it until told to stop."""

from mesh import venv

venv.enter()

import asyncio
import gc
import logging
import os
import signal
import sys

import click
import uvloop

from mesh import config
from mesh.errors import ConfigError, IdentityTaken
from mesh.net.descriptor import complain
from mesh.node import Node

GC_THRESHOLDS = (2_000, 0, 500)
"""Allocations before the youngest objects are looked at, and how often the older ones are with them.

Every second time those that were left: the frames of twenty times are a pause of 55 ms where a hundred publish.
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-c", "path", metavar="FILE", help="A configuration; configs/reference.toml has every key.")
@click.option("-s", "overrides", metavar="SECTION.KEY=VALUE", multiple=True, help="Set one key; may be repeated.")
@click.option("-v", "verbose", is_flag=True, help="Log more.")
def main(path: str | None, overrides: tuple[str, ...], verbose: bool) -> None:
    """Run a Mediamesh node. MESH_SECTION_KEY=VALUE in the environment sets a key too."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings, warnings = config.load(path, overrides, os.environ)
        for warning in warnings:
            logging.warning(warning)
        uvloop.run(run(Node(settings)))
    except ConfigError as error:
        print(f"node.py: {error}", file=sys.stderr)
        sys.exit(3 if isinstance(error, IdentityTaken) else 2)  # who starts it again at once would stop the other


async def run(node: Node) -> None:
    """Run a node; SIGTERM drains it, a second one or SIGINT stops it now."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(complain)
    actions = {signal.SIGTERM: node.drain, signal.SIGINT: node.stop}

    def act(number: int, frame: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(actions[signal.Signals(number)])

    for number in actions:
        # Not the loop's own handlers: those end with it, and a second Ctrl-C would kill us on the last few metres.
        signal.signal(number, act)

    def ready() -> None:
        print(node.greeting, flush=True)
        # The logs hold hundreds of thousands of frames without cycles: a full collection would pause every stream.
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    await node.run(ready)


if __name__ == "__main__":
    main()
