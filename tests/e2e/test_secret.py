"""One secret: who has another, or none, or an old protocol, is named once; and it can be exchanged in service."""

import asyncio
import os
import re
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, wait_until
from tests.e2e.network import Network, available
from tests.e2e.roaming import RoamingPlayer, RoamingPublisher
from tests.e2e.tasks import asynctest, running

OLD, NEW = "correct horse battery staple", "Tr0ub4dor and three more words"
AGAIN_S = 3.0
"""For which strangers try on when they have been named: long enough for another attempt."""
STALL_S = 5.0
OTHER_PROTOCOL = "import mesh.gossip.message as m, runpy, sys; m.PROTO = m.OLDEST_PROTO = 99; sys.argv = sys.argv[1:];"
OTHER_PROTOCOL += "runpy.run_path(sys.argv[0], run_name='__main__')"


def keep(path: Path, *secrets: str) -> str:
    """Put secrets into a file as `meshctl keygen` does."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(secrets))
    return str(path)


def named(node: Node, host: str) -> list[str]:
    """What a node warns of a host."""
    return re.findall(rf"WARNING mesh\.\w+: {re.escape(host)}\S* (.*)", node.log)


@pytest.mark.soak
@pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")
@asynctest(120)
async def test_who_does_not_belong_is_named_once_on_both_sides(tmp_path: Path):
    ours, theirs = keep(tmp_path / "ours", OLD), keep(tmp_path / "theirs", NEW)
    strangers = {
        "other": {"mesh__secret_file": theirs},
        "none": {},
        "mesh": {"mesh__secret_file": ours, "mesh__name": "another"},
        "old": {"mesh__secret_file": ours},
    }
    with Network("a", "b", *strangers) as network, Cluster(tmp_path, network) as cluster:
        a, b = cluster.start("a", "b", mesh__secret_file=ours)
        for name, settings in strangers.items():
            cluster.create(name, **settings)
        cluster["old"]._command[1:1] = ["-c", OTHER_PROTOCOL]
        for name in strangers:
            cluster[name].start()
        pairs = [pair for name in strangers for pair in ((a, cluster[name]), (cluster[name], a))]
        for by, whom in pairs:
            await asyncio.to_thread(wait_until, partial(named, by, whom.address), f"{by.name} names {whom.name}", 15)
        await asyncio.sleep(AGAIN_S)
        for by, whom in pairs:
            assert len(named(by, whom.address)) == 1, f"{by.name}:\n{by.log}"
        assert a.sees("a", "b") and b.sees("a", "b")
        assert all(cluster[name].sees(name) for name in strangers)


@pytest.mark.soak
@asynctest(180)
async def test_a_mesh_goes_over_to_another_secret_while_a_stream_plays(cluster: Cluster, tmp_path: Path, capsys):
    file = tmp_path / "secret"
    keep(file, OLD)
    nodes = cluster.start("a", "b", "c", mesh__secret_file=str(file))
    publisher = RoamingPublisher([f"{node.rtmp}/live/x" for node in nodes], synthetic.stream(170))
    players = [
        RoamingPlayer([f"{node.http}/live/x.flv?wait=5&redirect=0" for node in nodes[n:] + nodes[:n]]) for n in (1, 2)
    ]
    async with running(publisher.run(), *(player.run() for player in players)):
        await asyncio.to_thread(wait_until, lambda: all(len(player.arrivals) > 50 for player in players), "they play")
        for secrets in ((OLD, NEW), (NEW, OLD), (NEW,)):
            keep(file, *secrets)
            for node in nodes:
                node.signal(signal.SIGTERM)
                await asyncio.to_thread(node.wait)
                await asyncio.to_thread(cluster.start, node.name)
        seen = [len(player.arrivals) for player in players]
        at_the_end = lambda: all(len(p.arrivals) > n + 50 for p, n in zip(players, seen, strict=True))  # noqa: E731
        await asyncio.to_thread(wait_until, at_the_end, "they play on")
    stalls = [player.longest_stall_s() for player in players]
    assert max(stalls) < STALL_S, stalls
    for player in players:
        for report in player.reports(publisher.sent):
            assert not (report.doubled or report.disordered or report.unknown), report
    with capsys.disabled():
        print(f"\nanother secret in {3 * len(nodes)} restarts: the publisher connected {publisher.connections} times,")
        print(f"players lost {[player.disconnects for player in players]} nodes; longest stall {max(stalls):.1f} s")
