import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ["node.py", "tools/meshctl", "tools/sim", "tools/bench"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_starts_from_anywhere_with_any_python(command: str, tmp_path: Path) -> None:
    """Of a virtual environment without packages, as of a Debian that has none of them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = subprocess.run(
        [tmp_path / "bare/bin/python", ROOT / command, "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: ")


def test_what_follows_the_command_goes_along(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    done = subprocess.run(
        [tmp_path / "bare/bin/python", ROOT / "node.py", "-s", "a b=c"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and "a b" in done.stderr
