"""The Python of .venv, with which a command of this folder runs wherever it was started from."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"


def enter() -> None:
    """Start the running command anew with that Python, if there is one and it is another."""
    python = VENV / "bin/python"
    if not python.exists() and find_spec("click") is None:
        sys.exit("Mediamesh is not installed: make install")
    if python.exists() and Path(sys.prefix).resolve() != VENV.resolve():
        os.execv(python, [str(python), *sys.argv])
