"""The mesh's own ports, attacked by strangers and by members: others notice nothing, and memory has a bound."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import ROOT, Cluster, Node, quiet
from tests.e2e.compare import assert_faithful, witness
from tests.e2e.hostile import ATTACKS
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest
from tests.e2e.test_death import status

BOUND_MIB = 256
"""By which no attack makes a node grow; docs/security.md says so."""
SECRET = "correct horse battery staple"
STALL_S = 3.0
"""The longest wait for a frame, on a machine that is busy with other things; where it is not, 0.05 s was seen."""
LINES = 150
"""That an attack may add to the log."""
BRIEF = {"seconds": 0.3, "connections": 600, "subscriptions": 20_000}
FULL = {"seconds": 10.0, "connections": 5_000, "subscriptions": 300_000}


class Attacked(Cluster):
    """Two nodes, with a secret or without."""

    def __init__(self, directory: Path, secret: str) -> None:
        file = directory / "secret"
        file.touch(0o600)
        file.write_text(secret)
        super().__init__(directory, **({"mesh__secret_file": str(file)} if secret else {}))
        self.secret = secret
        self.directory = directory

    def target(self, **extent: float) -> str:
        """The node a, as the attackers want to know it."""
        a, b = self["a"], self["b"]
        ids = {node["name"]: node["id"] for node in a.json("/api/v1/nodes")["nodes"]}
        about = {"port": a.mesh_port, "id": ids["a"], "gossip": b.mesh_port + 1, "other": ids["b"], "mesh": self._mesh}
        about |= {"secret": self.secret, "directory": str(self.directory / "hostile")}
        return json.dumps(about | extent)


@pytest.fixture(params=["", SECRET], ids=["without a secret", "with the secret"])
def attacked(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Attacked]:
    with Attacked(tmp_path, request.param) as cluster:
        cluster.start("a", "b")
        yield cluster


async def grown(node: Node, target: str, attacks: tuple[str, ...]) -> int:
    """By how many MiB a node grows while it is attacked."""
    process = psutil.Process(node.pid)
    before = peak = process.memory_info().rss
    hostile = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.e2e.hostile", target, *attacks, cwd=ROOT, stdout=-1, stderr=-1
    )
    try:
        said = asyncio.create_task(hostile.communicate())
        while not said.done():
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.02)
        output, error = said.result()
        assert hostile.returncode == 0, error.decode()[-3000:]
        print(output.decode())
    finally:
        if hostile.returncode is None:
            hostile.kill()
            await hostile.wait()
    return (peak - before) >> 20


async def withstands(cluster: Attacked, attacks: tuple[str, ...], **extent: float) -> str:
    """Publisher, players and the other node notice nothing; what it cost, in words."""
    a, b = cluster["a"], cluster["b"]
    urls = f"{a.http}/live/x.flv?wait=5", f"{b.http}/live/x.flv?wait=5&redirect=0"
    async with publishing(f"{a.rtmp}/live/x", synthetic.stream(900)) as publisher, playing(*urls) as players:
        for player in players:
            await player.has(20)
        files, lines = psutil.Process(a.pid).num_fds(), len(a.log.splitlines())
        growth = await grown(a, cluster.target(**extent), attacks)
        await assert_faithful(publisher, players)
        assert not publisher.error and a.running
        assert status(a, "b") == status(b, "a") == "alive"
        stall = max(report.longest_stall_s for report in await witness(publisher, players))
        written = len(a.log.splitlines()) - lines
        left = psutil.Process(a.pid).num_fds() - files
    cost = f"{'+'.join(attacks)}: {growth} MiB, stall {stall:.2f} s, {written} lines, {left} descriptors"
    assert growth < BOUND_MIB and stall < (1 if quiet() else STALL_S) and written < LINES, cost
    return cost


@asynctest
async def test_nobody_notices_when_a_node_is_attacked_by_all_means(attacked: Attacked, capsys):
    cost = await withstands(attacked, tuple(ATTACKS), **BRIEF)
    with capsys.disabled():
        print(f"\n{cost}")


@pytest.mark.soak
@pytest.mark.parametrize("attack", ATTACKS)
@asynctest(300)
async def test_nobody_notices_when_a_node_is_attacked_for_long(attacked: Attacked, attack: str, capsys):
    cost = await withstands(attacked, (attack,), **FULL)
    with capsys.disabled():
        print(f"\n{'sealed' if attacked.secret else 'open'} {cost}")
