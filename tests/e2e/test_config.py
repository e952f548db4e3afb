"""What an operator gets wrong is said in one line, and ends with exit code 2."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.cluster import ROOT, Cluster

QUIET = ["-s", "mesh.mdns=false", "-s", "http.listen=127.0.0.1:0", "-s", "rtmp.listen=127.0.0.1:0"]
QUIET += ["-s", "mesh.listen=127.0.0.1:0"]

MISTAKES = [
    (["-s", "http.lisen=:1"], {}, ["http.lisen", "-s"]),
    (["-s", "cache.seconds=soon"], {}, ["cache.seconds", "soon"]),
    (["-s", "rtmp.listen=localhost"], {}, ["rtmp.listen", "localhost"]),
    (["-s", "redis.url=redis://x"], {}, ["redis.url"]),
    ([], {"MESH_HTTP_LISEN": ":1"}, ["MESH_HTTP_LISEN"]),
]


def start(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    clean |= {"XDG_STATE_HOME": str(tmp_path), **environ}
    command = [sys.executable, str(ROOT / "node.py"), *arguments]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("arguments, environ, named", MISTAKES)
def test_a_mistake_is_named_in_one_line(tmp_path, arguments, environ, named):
    ended = start(tmp_path, *arguments, **environ)
    assert ended.returncode == 2, ended
    (line,) = ended.stderr.splitlines()
    assert all(word in line for word in named), line


def test_a_mistake_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "mesh.toml"
    path.write_text("[http]\nlisten = 8080\n")
    ended = start(tmp_path, "-c", str(path))
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(path) in line and "http.listen" in line


@pytest.mark.parametrize("key", ["http.listen", "rtmp.listen", "mesh.listen"])
def test_a_taken_port_is_named_with_its_key(tmp_path, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = start(tmp_path, *QUIET, "-s", f"{key}=127.0.0.1:{port}")
    assert ended.returncode == 2, ended
    line = ended.stderr.splitlines()[-1]
    assert key in line and str(port) in line and "Traceback" not in ended.stderr


def test_port_0_takes_a_free_one_and_says_which(cluster: Cluster):
    a = cluster.create("a", http__listen="127.0.0.1:0", rtmp__listen="127.0.0.1:0", mesh__listen="127.0.0.1:0")
    a.start()
    deadline = time.monotonic() + 10
    while "http://" not in a.log or "rtmp://" not in a.log:
        assert a.running and time.monotonic() < deadline, a.log
        time.sleep(0.05)
    assert ":0/" not in a.log and ":0 " not in a.log


NAMESPACE = """
ip link set lo up multicast on
ip link add dummy0 type dummy && ip addr add 192.168.77.1/24 dev dummy0 && ip link set dummy0 up multicast on
export XDG_STATE_HOME=$1
"$2" "$3" >"$1/one.log" 2>&1 & one=$!
sleep 2.5
"$2" "$3" >"$1/two.log" 2>&1 & two=$!
both_alive() { test "$(grep -o '"alive"' <<<"$1" | wc -l)" = 2; }
for i in $(seq 60); do
  sleep 0.25
  first=$(curl -s http://127.0.0.1:8080/api/v1/nodes)
  second=$(curl -s http://127.0.0.1:8081/api/v1/nodes)
  both_alive "$first" && both_alive "$second" && break
done
echo "$first"; echo "$second"
kill -INT $one $two; wait $one; first=$?; wait $two; echo "exit codes $first $?"
"""


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="needs root for a network namespace")
def test_two_nodes_with_the_defaults_on_one_machine_take_neighbouring_ports_and_find_each_other(tmp_path):
    command = ["unshare", "-n", "bash", "-c", NAMESPACE, "-", str(tmp_path), sys.executable, str(ROOT / "node.py")]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    logs = (tmp_path / "one.log").read_text() + (tmp_path / "two.log").read_text()
    first, second, codes = ended.stdout.splitlines()
    assert codes == "exit codes 0 0", logs
    host = socket.gethostname()
    for answer in (first, second):
        assert f'"{host}"' in answer and f'"{host}-2"' in answer and answer.count('"alive"') == 2, answer + logs
