"""A stream has one publisher: whoever comes second is told so, on every node and over every protocol."""

import asyncio

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.compare import assert_faithful
from tests.e2e.player import playing
from tests.e2e.publisher import Publisher, publishing
from tests.e2e.rtmp import Refused
from tests.e2e.tasks import asynctest

BAD_NAME = "NetStream.Publish.BadName"


async def refusal(url: str, expect: bool = False) -> str | int:
    """How a publisher who comes second is refused; he may have sent a little before he hears of it."""
    with pytest.raises(Refused) as refused:
        async with publishing(url, synthetic.stream(3, seed=2), expect=expect) as publisher:
            await publisher.done()
    (code,) = refused.value.args
    return code


@asynctest
async def test_a_live_stream_key_is_refused_on_every_node(shared: Cluster):
    a = shared["a"]
    url = f"{a.http}/live/taken.flv?wait=5"
    async with publishing(f"{a.rtmp}/live/taken", synthetic.stream(20)) as first, playing(url) as players:
        await players[0].has(25)
        for node in shared.nodes.values():
            assert await refusal(f"{node.rtmp}/live/taken") == BAD_NAME
            assert await refusal(f"{node.http}/live/taken.flv", expect=True) == 409
            assert await refusal(f"{node.http}/live/taken.flv") == 409
        await asyncio.sleep(0.5)
        await assert_faithful(first, players)
        assert not first.error


@asynctest
async def test_a_stream_key_is_free_again_when_its_publisher_has_left(shared: Cluster):
    a, b = shared["a"], shared["b"]
    for node in (a, b, a):
        async with publishing(f"{node.rtmp}/live/again", synthetic.stream(0.3)) as publisher:
            await publisher.end()
        await asyncio.sleep(0.3)


@pytest.mark.parametrize("schemes", [("rtmp", "rtmp"), ("http", "http"), ("rtmp", "http")])
@asynctest
async def test_of_two_publishers_at_the_same_moment_on_two_nodes_exactly_one_stays(shared: Cluster, schemes):
    for turn in range(3):
        key = f"live/race-{'-'.join(schemes)}-{turn}"
        urls = [f"{getattr(shared[name], scheme)}/{key}" for name, scheme in zip("ab", schemes, strict=True)]
        outcomes = await asyncio.gather(*(attempt(url, seed) for seed, url in enumerate(urls)))
        assert sorted(outcomes, key=str) in (["", 409], ["", BAD_NAME]), outcomes


async def attempt(url: str, seed: int) -> str | int:
    """Publish for a moment; empty if that went well, else the code of the refusal."""
    try:
        async with publishing(url, synthetic.stream(0.6, seed=seed), expect=True) as publisher:
            await publisher.done()
            return ""
    except Refused as refused:
        (code,) = refused.args
        return code


@asynctest
async def test_the_players_of_a_race_see_one_publisher_only(shared: Cluster):
    players = [f"{shared[name].http}/live/duel.flv?wait=10&redirect=0" for name in "abc"]
    async with playing(*players) as watching:
        await asyncio.sleep(0.3)
        contest = [contestant(f"{shared[name].rtmp}/live/duel", seed) for seed, name in enumerate("ab")]
        (winner,) = [publisher for publisher in await asyncio.gather(*contest) if publisher]
        await assert_faithful(winner, watching)


async def contestant(url: str, seed: int) -> Publisher | None:
    try:
        async with publishing(url, synthetic.stream(2, seed=seed)) as publisher:
            await publisher.done()
            return publisher
    except Refused:
        return None
