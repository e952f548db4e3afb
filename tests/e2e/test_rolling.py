"""All nodes restarted, one after the other, while streams are published and played."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.roaming import RoamingPlayer, RoamingPublisher, sent_by
from tests.e2e.tasks import asynctest, running
from tests.e2e.test_death import eventually

pytestmark = pytest.mark.soak

ALIGNED_S = 5.0
KEY = "live/x"


@asynctest(170)
async def test_nobody_misses_a_frame_but_the_players_of_the_node_that_is_restarted(cluster: Cluster, capsys):
    nodes = cluster.start("a", "b", "c", stream__standby="true")
    tags = list(synthetic.stream(300))
    urls = [f"{node.rtmp}/{KEY}" for node in nodes]
    publishers = [RoamingPublisher(order, tags) for order in (urls, urls[1:] + urls[:1])]
    players = [RoamingPlayer([f"{node.http}/{KEY}.flv?wait=9&redirect=0"]) for node in nodes for _ in range(5)]
    took = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(*(each.run() for each in (*publishers, *players))))
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
    for place, player in enumerate(players):
        sessions = [session for session in player.sessions if session.frames]
        assert len(sessions) == 2, f"{nodes[place // 5].name} alone was restarted under it"
        for report in player.reports(sent):
            assert report.faithful, report
    with capsys.disabled():
        print(f"\nrolling restart: no frame lost; each node gone {max(took):.1f} s after SIGTERM at most")
