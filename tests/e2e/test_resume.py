"""A player whose node dies goes on at another, with the very next frame, by the position that it was told."""

import asyncio
import re
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e import http, synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.flv import Reader, Tag
from tests.e2e.network import Network, available
from tests.e2e.publisher import publishing
from tests.e2e.shape import KEY, SETTINGS, SHAPES, playing_in, url
from tests.e2e.tasks import asynctest

pytestmark = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")

POSITION = re.compile(r"(\d+)\.(\w+)\.(\d+); headers=(\d+)")


async def received(url: str, count: int) -> tuple[str, list[Tag]]:
    """The first tags, or as many as come before the node is gone, and the position of the one that comes next."""
    reply = await http.get(url)
    told = POSITION.match(reply.headers["x-mesh-position"])
    assert told
    reader, tags = Reader(), list[Tag]()
    with suppress(OSError, asyncio.IncompleteReadError):
        async for data in reply.chunks():
            tags += reader.feed(data)
            if len(tags) >= count:
                break
    reply.close()
    epoch, leader, number, headers = told.groups()
    return f"{epoch}.{leader}.{int(number) + len(tags) - int(headers)}", tags


@pytest.mark.parametrize("shape", SHAPES)
@asynctest
async def test_a_player_of_a_node_that_dies_goes_on_at_another_with_the_next_frame(tmp_path: Path, shape):
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, **SETTINGS[shape]))
        a, b, c, _ = cluster.start(*"abcd")
        publisher = await stack.enter_async_context(publishing(f"{a.rtmp}/{KEY}", synthetic.stream(60)))
        await stack.enter_async_context(playing_in(SHAPES[shape], network, cluster))
        playing_b = asyncio.create_task(received(f"{url(b)}&offset=", 10_000))
        await asyncio.sleep(1.5)
        b.kill()
        position, before = await playing_b
        _, after = await received(f"{url(c)}&offset={position}", 100)
        seen = [tag for tag in before + after if not tag.config]
        sent = [tag for tag in publisher.sent if not tag.config]
        first = sent.index(seen[0])
        assert len(before) > 50 and seen == sent[first : first + len(seen)]
