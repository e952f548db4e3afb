from pathlib import Path

from mesh.gossip.member import Replica
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Player, Poster, gop, meshed, written


@asynctest
async def test_everyone_is_told_where_a_replica_comes_from(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as (a, b, c):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        await until(lambda: c.gossip.tables.leader("live/x"))
        await Player.begin(b, "/live/x.flv?redirect=0&wait=1")
        replica = Replica(b.gossip.id, "live/x", 1, a.gossip.id, (a.gossip.id,))
        await until(lambda: c.gossip.tables.replicas("live/x") == [replica])
