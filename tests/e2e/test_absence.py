"""Streams that are not there: refused at once, or when the player is tired of waiting, or played if they come."""

import asyncio
import time

import pytest

from tests.e2e import http, synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.compare import assert_faithful
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

NOT_FOUND = {"http": 404, "ws": 404, "rtmp": "NetStream.Play.StreamNotFound"}
AT_ONCE_S = 0.5


@pytest.mark.parametrize("scheme", NOT_FOUND)
@pytest.mark.parametrize("wait, between", [("", (0, AT_ONCE_S)), ("?wait=2", (1.9, 2 + AT_ONCE_S))])
@asynctest
async def test_a_stream_that_no_node_has_is_not_found(shared: Cluster, scheme, wait, between):
    began = time.perf_counter()
    suffix = "" if scheme == "rtmp" else ".flv"
    async with playing(f"{getattr(shared['b'], scheme)}/live/nothing{suffix}{wait}") as (player,):
        await player.over()
    assert player.status == NOT_FOUND[scheme]
    assert between[0] <= time.perf_counter() - began <= between[1]


@pytest.mark.parametrize("name", ["a", "b"])
@asynctest
async def test_a_stream_that_comes_while_players_wait_is_played_from_its_first_frame(shared: Cluster, name):
    node, key = shared[name], f"live/late-{name}"
    urls = [f"{node.http}/{key}.flv?wait=10", f"{node.rtmp}/{key}?wait=10", f"{node.ws}/{key}.flv?wait=10"]
    async with playing(*urls) as players:
        await asyncio.sleep(0.5)
        async with publishing(f"{shared['a'].rtmp}/{key}", synthetic.stream(2)) as publisher:
            await publisher.done()
            await assert_faithful(publisher, players)
            for player in players:
                assert player.frames[0].payload == publisher.sent[3].payload, f"{player.url} missed the first frame"


@pytest.mark.parametrize(
    "path", ["live/x.avi", "live/x.flv?wait=soon", "live", "live/..%2f..%2fetc.flv", "live/%00.flv"]
)
@asynctest
async def test_a_url_that_means_nothing_is_refused_in_one_line(shared: Cluster, path):
    reply = await http.get(f"{shared['a'].http}/{path}")
    assert reply.status in (400, 404)
    assert len((await reply.read()).splitlines()) == 1
    reply.close()
