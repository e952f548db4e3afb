"""meshctl keygen: a new secret for a mesh."""

import os
import secrets

import click

BYTES = 32


@click.command()
@click.argument("file", required=False, type=click.Path())
def keygen(file: str | None) -> None:
    """Make a secret for a mesh: print it, or write it to FILE, which must not exist yet."""
    secret = secrets.token_urlsafe(BYTES)
    if file is None:
        click.echo(secret)
        return
    try:
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            print(secret, file=new)
    except FileExistsError:
        raise click.ClickException(f"{file} exists, and whoever uses it would be cut off") from None
    except OSError as error:
        raise click.ClickException(f"{file}: {(error.strerror or str(error)).lower()}") from None
    click.echo(f"{file} holds a new secret; copy it to every node, mode 0600, and set mesh.secret_file", err=True)
