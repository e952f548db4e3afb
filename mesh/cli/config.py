"""meshctl config: configurations, without a node."""

from pathlib import Path

import click

from mesh.config import load, read_secrets
from mesh.errors import ConfigError


@click.group()
def config() -> None:
    """Look at configurations."""


@config.command()
@click.argument("file")
def check(file: str) -> None:
    """Read FILE as a node would, and say whether it would start."""
    try:
        settings, _ = load(file, [], {})
        read_secrets(settings)
        if (database := settings.balance.geoip) and not Path(database).is_file():
            raise ConfigError(f"balance.geoip: {database}: no such file")
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file} is fine; it sets {', '.join(sorted(settings.given)) or 'nothing'}")
