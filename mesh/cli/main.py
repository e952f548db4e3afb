"""meshctl: what the mesh is doing, asked of any of its nodes."""

import click

from mesh.cli.bench import bench
from mesh.cli.config import config
from mesh.cli.doctor import doctor
from mesh.cli.drain import drain, preload, switch, undrain
from mesh.cli.keygen import keygen
from mesh.cli.nodes import nodes
from mesh.cli.output import api_options
from mesh.cli.quality import quality
from mesh.cli.route import route
from mesh.cli.streams import streams, tree

COMMANDS = (nodes, streams, tree, quality, route, drain, undrain, switch, preload, doctor, keygen, bench, config)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@api_options(envvar="MESHCTL_URL")
def meshctl() -> None:
    """Ask a node what its mesh is doing."""


for command in COMMANDS:
    meshctl.add_command(command)
