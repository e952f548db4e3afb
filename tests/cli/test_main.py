import os
import subprocess
import sys
from pathlib import Path

import pytest

MESHCTL = Path("tools/meshctl").resolve()


def launch(*args, cwd, command=(MESHCTL,), **env):
    return subprocess.run([*command, *args], cwd=cwd, env=os.environ | env, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("command", [(MESHCTL,), (sys.executable, MESHCTL)], ids=["itself", "python"])
def test_the_launcher_works_from_any_directory(api, tmp_path, command):
    result = launch("nodes", cwd=tmp_path, command=command, MESHCTL_URL=api)
    assert result.stdout.startswith("NODE  ZONE  STATUS")
    assert result.returncode == 0


def test_the_launcher_works_through_a_link(api, tmp_path):
    (tmp_path / "meshctl").symlink_to(MESHCTL)
    assert launch("-u", api, "streams", cwd=tmp_path, command=("./meshctl",)).stdout.startswith("STREAM")


def test_what_is_piped_has_no_colours_and_is_not_cut(api, tmp_path):
    result = launch("streams", cwd=tmp_path, MESHCTL_URL=api, COLUMNS="40")
    assert "\x1b" not in result.stdout
    assert "h264 1280x720, aac 48000x2" in result.stdout


def test_a_node_that_cannot_be_reached_is_exit_code_1(tmp_path):
    result = launch("-u", "http://127.0.0.1:1", "nodes", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Error: http://127.0.0.1:1 cannot be reached: connection refused\n"


def test_what_does_not_exist_is_exit_code_2(run):
    assert run("nosuch").exit_code == 2
    assert run("nodes", "-o", "xml").exit_code == 2
    assert run("tree").exit_code == 2


def test_every_command_says_what_it_does(run):
    assert all(line.endswith(".") for line in run("--help").output.partition("Commands:\n")[2].splitlines())
