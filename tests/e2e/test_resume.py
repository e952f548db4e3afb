"""A player whose node dies goes on at another, with the very next frame, by the position that it was told."""

import asyncio
import re
from contextlib import suppress

from tests.e2e import http, synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.flv import Reader, Tag
from tests.e2e.player import playing
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

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


@asynctest
async def test_a_player_of_a_node_that_dies_goes_on_at_another_with_the_next_frame(cluster: Cluster):
    a, b, c = cluster.start("a", "b", "c")
    async with (
        publishing(f"{a.rtmp}/live/x", synthetic.stream(60)) as publisher,
        playing(f"{c.http}/live/x.flv?redirect=0&wait=5") as (other,),
    ):
        await other.has(10)
        playing_b = asyncio.create_task(received(f"{b.http}/live/x.flv?redirect=0&wait=5&offset=", 10_000))
        await asyncio.sleep(1.5)
        b.kill()
        position, before = await playing_b
        _, after = await received(f"{c.http}/live/x.flv?redirect=0&offset={position}", 100)
        seen = [tag for tag in before + after if not tag.config]
        sent = [tag for tag in publisher.sent if not tag.config]
        first = sent.index(seen[0])
        assert len(before) > 50 and seen == sent[first : first + len(seen)]
