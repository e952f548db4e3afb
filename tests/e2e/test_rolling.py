"""All nodes restarted, one after the other, while streams are published and played."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, eventually
from tests.e2e.network import Network, available
from tests.e2e.roaming import RoamingPlayer, RoamingPublisher, sent_by
from tests.e2e.shape import KEY, SETTINGS, SHAPES, playing_in, url
from tests.e2e.tasks import asynctest, running

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")]

ALIGNED_S = 5.0


@pytest.mark.parametrize("shape", SHAPES)
@asynctest(300)
async def test_nobody_misses_a_frame_but_the_players_of_the_node_that_is_restarted(tmp_path: Path, capsys, shape):
    """It begins as a star or as a chain: each restart changes who feeds whom."""
    tags = list(synthetic.stream(300))
    took = []
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, stream__standby="true", **SETTINGS[shape]))
        nodes = cluster.start(*"abcd")
        urls = [f"{node.rtmp}/{KEY}" for node in nodes]
        publishers = [RoamingPublisher(order, tags) for order in (urls, urls[1:] + urls[:1])]
        await stack.enter_async_context(running(publishers[0].run()))
        joining = playing_in(SHAPES[shape], network, cluster, lambda node: RoamingPlayer([url(node)]))
        players = list((await stack.enter_async_context(joining)).values())
        players += [RoamingPlayer([url(node)]) for node in nodes for _ in range(3)]
        others = [each.run() for each in (publishers[1], *players[len(nodes) :])]
        await stack.enter_async_context(running(*others))
        for node in nodes:
            other = next(other for other in nodes if other is not node)
            await eventually(lambda other=other: (other.stream(KEY) or {"standby": []})["standby"], "one waits", 30)
            await asyncio.sleep(ALIGNED_S)
            began = time.perf_counter()
            node.signal(signal.SIGTERM)
            assert await asyncio.to_thread(node.wait) == 0
            took.append(time.perf_counter() - began)
            node.start()
            await eventually(lambda node=node: node.get("/readyz")[0] == 200, f"{node.name} is ready again", 30)
        await asyncio.sleep(ALIGNED_S)
    sent = sent_by(publishers, tags)
    for player in players:
        sessions = [session for session in player.sessions if session.frames]
        assert len(sessions) == 2, f"the node of {sessions[0].url} alone was restarted under it"
        for report in player.reports(sent):
            assert report.faithful, report
    with capsys.disabled():
        print(f"\nrolling restart of a {shape}: no frame lost; each node gone {max(took):.1f} s after SIGTERM at most")
