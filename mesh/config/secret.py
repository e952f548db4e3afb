"""The mesh's secrets: one on each line, in a file that is its owner's alone or in MESH_SECRET.

There is one, but for the time of its rotation: a node listens with the first, and dials with each in turn.
"""

import stat
from pathlib import Path

from mesh.config.section import Config
from mesh.errors import ConfigError

LEAST = 16
"""Characters that a secret must have."""
VARIABLE = "MESH_SECRET"


def parse_secrets(text: str, source: str) -> tuple[str, ...]:
    """The secrets in a text. Raises `ConfigError`, which names its source and shows nothing of it."""
    secrets = tuple([line.strip() for line in text.splitlines() if line.strip()])
    if not secrets:
        raise ConfigError(f"{source} is empty, expected a secret of {LEAST} characters or more")
    shortest = min(map(len, secrets))
    if shortest < LEAST:
        raise ConfigError(f"{source} has a secret of {shortest} characters, expected {LEAST} or more")
    return secrets


def read_secrets(config: Config) -> tuple[str, ...]:
    """The secrets of this configuration's mesh; none if it does without. Raises `ConfigError`."""
    if config.secrets or not config.mesh.secret_file:
        return config.secrets
    source = f"mesh.secret_file: {config.mesh.secret_file}"
    try:
        file = Path(config.mesh.secret_file).expanduser()
        text, mode = file.read_text(), stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        raise ConfigError(f"{source}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source} is no text") from None
    except RuntimeError as error:
        raise ConfigError(f"{source}: {str(error).lower()}") from None
    if mode & 0o077:
        raise ConfigError(f"{source} has mode {mode:04o}, expected 0600")
    return parse_secrets(text, source)
