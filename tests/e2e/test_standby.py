"""Streams that are published twice: whatever happens to the leader, nothing is lost and nothing comes twice."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, eventually
from tests.e2e.compare import compare
from tests.e2e.flv import AUDIO, VIDEO, Tag
from tests.e2e.player import Player, playing
from tests.e2e.publisher import Publisher, RTMPIngest, publishing
from tests.e2e.tasks import asynctest, running

PATIENCE_S = 3.0
"""For a machine that is busy with other things: where it is not, no stall is longer than a second."""
ALIGNED_S = 4.0
"""What two GOPs of a second, and the joining before them, take."""
PASSED_ON_S = 0.3
"""What a frame takes from its publisher to the players, at most."""
KEY = "live/x"


def moving(tags: Iterable[Tag]) -> Iterable[Tag]:
    """As they are: no payload is like another."""
    return tags


async def doubled(stack: AsyncExitStack, frames: list[Tag], *nodes: Node) -> list[Publisher]:
    """One encoder that pushes to these nodes, from the same moment on."""
    ingests = await asyncio.gather(*[RTMPIngest.open(f"{node.rtmp}/{KEY}") for node in nodes])
    publishers = [Publisher(ingest, frames, 1.0) for ingest in ingests]
    await stack.enter_async_context(running(*(publisher.run() for publisher in publishers)))
    for ingest in ingests:
        stack.callback(ingest.close)
    return publishers


def row(node: Node, field: str) -> object:
    return (node.stream(KEY) or {field: None})[field]


async def leads(stack: AsyncExitStack, frames: list[Tag], *nodes: Node) -> tuple[Node, Node, list[Publisher]]:
    """Who leads it and who waits, when both have been published to, and the publisher of each."""
    publishers = await doubled(stack, frames, *nodes)
    await eventually(lambda: row(nodes[0], "standby"), "one waits")
    first = next(node for node in nodes if node.name == row(nodes[0], "leader"))
    other = next(node for node in nodes if node is not first)
    return first, other, publishers if first is nodes[0] else publishers[::-1]


async def assert_seamless(frames: list[Tag], publisher: Publisher, players: Iterable[Player]) -> list[float]:
    """Each player has every frame once, in order and at its time; how long the longest stall of each was."""
    stalls = []
    for player in players:
        now = publisher.sent[-1].timestamp
        await player.until(lambda player, now=now: player.frames[-1].timestamp > now + 100, "not all of it")
        report = compare(frames, player)
        made = [tag for tag in frames if not (tag.config or tag.end)]
        missing = [place for place in report.lost if made[place].timestamp < now]
        assert not (missing or report.doubled or report.disordered or report.unknown), f"{player.url}: {report}"
        assert report.shifts == {0}, f"{player.url}: {report}"
        stalls.append(report.longest_stall_s)
    return stalls


FATES: dict[str, Callable[[Node], object]] = {
    "killed": Node.kill,
    "told to switch": lambda node: None,
}


@pytest.mark.parametrize(
    ("fate", "picture"),
    [
        ("killed", synthetic.still),
        pytest.param("killed", moving, marks=pytest.mark.soak),
        pytest.param("told to switch", synthetic.still, marks=pytest.mark.soak),
        pytest.param("told to switch", moving, marks=pytest.mark.soak),
    ],
)
@asynctest
async def test_nobody_misses_a_frame_when_the_leader_is(cluster: Cluster, fate: str, picture, capsys):
    a, b, c = cluster.start("a", "b", "c", stream__standby="true")
    async with AsyncExitStack() as stack:
        frames = list(picture(synthetic.stream(60)))
        first, other, publishers = await leads(stack, frames, a, b)
        nodes = [other, c] if fate == "killed" else [first, other, c]
        urls = [f"{node.http}/{KEY}.flv?wait=5&redirect=0" for node in nodes]
        async with playing(*urls) as players:
            for player in players:
                await player.has(10)
            await asyncio.sleep(ALIGNED_S)
            FATES[fate](first)
            if fate == "told to switch":
                assert c.post(f"/api/v1/streams/{KEY}/switch?node={other.name}")[0] == 200
            await eventually(lambda: row(c, "leader") == other.name, "the other leads")
            await asyncio.sleep(1)
            stalls = await assert_seamless(frames, publishers[1], players)
    assert max(stalls) < PATIENCE_S, stalls
    with capsys.disabled():
        print(f"\nleader {fate}, {picture.__name__}: longest stall {max(stalls) * 1000:.0f} ms, no frame lost")


@pytest.mark.soak
@asynctest
async def test_a_standby_of_another_encoder_goes_on_at_a_keyframe_in_a_second_and_the_wait_for_it(
    cluster: Cluster, capsys
):
    a, b, c = cluster.start("a", "b", "c", stream__standby="true")
    one, other = (list(synthetic.stream(60, seed=seed)) for seed in (1, 2))
    theirs = {tag.payload for tag in other if not tag.config}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(publishing(f"{a.rtmp}/{KEY}", one))
        await eventually(lambda: row(b, "leader") == "a", "a leads")
        publisher = await stack.enter_async_context(publishing(f"{b.rtmp}/{KEY}", other))
        urls = [f"{node.http}/{KEY}.flv?wait=5&redirect=0" for node in (b, c)]
        async with playing(*urls) as players:
            for player in players:
                await player.has(50)
            assert row(c, "standby") == ["b"]
            a.kill()
            for player in players:
                await player.until(lambda player: player.frames[-1].payload in theirs, "b goes on")
                await player.has(len(player.frames) + 50)
            waits = [cut(player, one, other, publisher) for player in players]
    with capsys.disabled():
        pictures, sounds = map(max, zip(*waits, strict=True))
        print(f"\nanother encoder: {pictures:.2f} s without a picture, {sounds:.2f} s without sound")


def cut(player: Player, one: list[Tag], other: list[Tag], publisher: Publisher) -> tuple[float, float]:
    """Hold what a player saw against the promise; for how long it saw no picture, and heard nothing."""
    keyframes = [at for tag, at in zip(publisher.sent, publisher.sent_at, strict=True) if tag.keyframe]
    waits = []
    for kind in (VIDEO, AUDIO):
        seen = [arrival for arrival in player.arrivals if arrival.tag.kind == kind and not arrival.tag.config]
        orders = [[tag.payload for tag in made if tag.kind == kind and not tag.config] for made in (one, other)]
        at = next(place for place, arrival in enumerate(seen) if arrival.tag.payload in orders[1])
        for order, part in zip(orders, (seen[:at], seen[at:]), strict=True):
            first = order.index(part[0].tag.payload)
            assert [arrival.tag.payload for arrival in part] == order[first : first + len(part)], "one after the other"
        (last, lost_at), (new, came_at) = seen[at - 1 : at + 1]
        assert new.timestamp > last.timestamp and (new.keyframe or kind == AUDIO)
        promised = next(at for at in keyframes if at > lost_at + 1) + PASSED_ON_S
        assert came_at < promised, f"{came_at - lost_at:.2f} s, {promised - lost_at:.2f} were promised"
        waits.append(came_at - lost_at)
    return waits[0], waits[1]
