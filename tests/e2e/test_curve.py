"""What encryption between the nodes costs: CPU time of real nodes, with a secret and without, in turns."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node
from tests.e2e.flv import VIDEO, Tag
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest
from tests.e2e.test_secret import OLD, keep

pytestmark = pytest.mark.soak

LASTS_S = 10.0
ROUNDS = 3
MBPS = 40


def heavy(seconds: float) -> Iterator[Tag]:
    """A stream of that many Mb/s."""
    padding = bytes(MBPS * 1_000_000 // 8 // 25)
    for tag in synthetic.stream(seconds):
        yield tag._replace(payload=tag.payload + padding) if tag.kind == VIDEO and not tag.config else tag


def cpu_s(*nodes: Node) -> float:
    """The CPU time that these have used."""
    return sum(sum(psutil.Process(node.pid).cpu_times()[:2]) for node in nodes)


async def relaying(cluster: Cluster) -> float:
    """Milliseconds of CPU, at both ends, for each MB that one node relays to another."""
    a, b = cluster.start("a", "b")
    urls = f"{b.http}/live/x.flv?wait=5&redirect=0"
    async with publishing(f"{a.rtmp}/live/x", heavy(60)), playing(urls) as (player,):
        await player.has(50)
        used, received = cpu_s(a, b), len(player.frames)
        await asyncio.sleep(LASTS_S)
        size = sum(len(tag.payload) for tag in player.frames[received:])
        return 1e9 * (cpu_s(a, b) - used) / size


async def gossiping(cluster: Cluster) -> float:
    """The part of a core that each of eight idle nodes takes, in percent."""
    nodes = cluster.start(*"abcdefgh")
    used = cpu_s(*nodes)
    await asyncio.sleep(LASTS_S)
    return 100 * (cpu_s(*nodes) - used) / LASTS_S / len(nodes)


@pytest.mark.parametrize("work", [relaying, gossiping], ids=lambda work: work.__name__)
@asynctest(900)
async def test_the_price_of_encryption(tmp_path: Path, work, capsys):
    seen: dict[str, list[float]] = defaultdict(list)
    for turn in range(ROUNDS):
        for name, secret in (("plain", ""), ("CURVE", keep(tmp_path / "secret", OLD))):
            directory = tmp_path / f"{turn}-{name}"
            directory.mkdir()
            with Cluster(directory, **({"mesh__secret_file": secret} if secret else {})) as cluster:
                seen[name].append(await work(cluster))
    with capsys.disabled():
        print(f"\n{work.__doc__}", {name: [round(value, 2) for value in values] for name, values in seen.items()})
        print(f"CURVE is {median(seen['CURVE']) / median(seen['plain']):.2f} times plain")
    assert median(seen["CURVE"]) < 4 * median(seen["plain"])
