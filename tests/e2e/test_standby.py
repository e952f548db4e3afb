"""Streams that are published twice: whatever happens to the leader, nothing is lost and nothing comes twice."""

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import Cluster, Node, eventually, quiet
from tests.e2e.compare import compare
from tests.e2e.flv import AUDIO, VIDEO, Tag
from tests.e2e.network import Network, available
from tests.e2e.player import Player, playing
from tests.e2e.publisher import Publisher, RTMPIngest, publishing
from tests.e2e.shape import KEY, SETTINGS, SHAPES, playing_in, url
from tests.e2e.tasks import asynctest, running

needs_network = pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")
PATIENCE_S = 3.0
"""For a machine that is busy with other things: where it is not, no stall is longer than a second."""
ALIGNED_S = 4.0
"""What two GOPs of a second, and the joining before them, take."""
PASSED_ON_S = 0.3
"""What a frame takes from its publisher to the players, at most."""


def moving(tags: Iterable[Tag]) -> Iterable[Tag]:
    """As they are: no payload is like another."""
    return tags


async def doubled(stack: AsyncExitStack, frames: list[Tag], *nodes: Node) -> list[Publisher]:
    """One encoder that pushes to these nodes, and asks them in the same moment."""
    start = asyncio.Barrier(len(nodes))
    ingests = await asyncio.gather(*[RTMPIngest.open(f"{node.rtmp}/{KEY}", start) for node in nodes])
    times = [ingest.asked_at for ingest in ingests]
    assert max(times) - min(times) < 0.001 or not quiet(), "they asked at once"
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


@needs_network
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("picture", [synthetic.still, pytest.param(moving, marks=pytest.mark.soak)])
@pytest.mark.parametrize("fate", ["killed", pytest.param("told to switch", marks=pytest.mark.soak)])
@asynctest
async def test_nobody_misses_a_frame_when_the_leader_is(tmp_path: Path, fate: str, picture, shape, capsys):
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, stream__standby="true", **SETTINGS[shape]))
        a, _, c, d = cluster.start(*"abcd")
        frames = list(picture(synthetic.stream(60)))
        first, other, publishers = await leads(stack, frames, a, d)
        suppliers = {"b": first.name, "c": "b" if shape == "chain" else first.name}
        players = await stack.enter_async_context(playing_in(suppliers, network, cluster))
        players[other.name] = (await stack.enter_async_context(playing(url(other))))[0]
        await asyncio.sleep(ALIGNED_S)
        if fate == "killed":
            first.kill()
            del players[first.name]
        else:
            assert c.post(f"/api/v1/streams/{KEY}/switch?node={other.name}")[0] == 200
        await eventually(lambda: row(c, "leader") == other.name, "the other leads")
        await asyncio.sleep(1)
        stalls = await assert_seamless(frames, publishers[1], players.values())
    assert max(stalls) < PATIENCE_S, stalls
    with capsys.disabled():
        print(f"\nleader {fate}, {shape}, {picture.__name__}: longest stall {max(stalls) * 1000:.0f} ms, no frame lost")


@pytest.mark.parametrize("picture", [synthetic.still, moving])
@asynctest
async def test_players_who_wait_for_a_stream_that_comes_to_two_nodes_at_once_miss_nothing(
    cluster: Cluster, picture, capsys
):
    nodes = cluster.start("a", "b", "c", stream__standby="true")
    async with playing(*(url(node) for node in nodes)) as players, AsyncExitStack() as stack:
        await asyncio.sleep(1)
        frames = list(picture(synthetic.stream(60)))
        _, _, publishers = await leads(stack, frames, *nodes[:2])
        await asyncio.sleep(ALIGNED_S)
        stalls = await assert_seamless(frames, publishers[1], players)
        for player in players:
            assert player.frames[0].timestamp == 0, f"{player.url} missed the beginning"
    with capsys.disabled():
        print(
            f"\npublished twice at once, {picture.__name__}: longest stall {max(stalls) * 1000:.0f} ms, no frame lost"
        )


@pytest.mark.soak
@needs_network
@pytest.mark.parametrize("shape", SHAPES)
@asynctest
async def test_a_standby_of_another_encoder_goes_on_at_a_keyframe_in_a_second_and_the_wait_for_it(
    tmp_path: Path, capsys, shape
):
    one, other = (list(synthetic.stream(60, seed=seed)) for seed in (1, 2))
    theirs = {tag.payload for tag in other if not tag.config}
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        cluster = stack.enter_context(Cluster(tmp_path, network, stream__standby="true", **SETTINGS[shape]))
        a, _, c, d = cluster.start(*"abcd")
        await stack.enter_async_context(publishing(f"{a.rtmp}/{KEY}", one))
        players = await stack.enter_async_context(playing_in(SHAPES[shape], network, cluster))
        publisher = await stack.enter_async_context(publishing(f"{d.rtmp}/{KEY}", other))
        await eventually(lambda: row(c, "standby") == ["d"], "d waits")
        a.kill()
        survivors = [player for name, player in players.items() if name != "a"]
        for player in survivors:
            await player.until(lambda player: player.frames[-1].payload in theirs, "d goes on")
            await player.has(len(player.frames) + 50)
        waits = [cut(player, one, other, publisher) for player in survivors]
    with capsys.disabled():
        pictures, sounds = map(max, zip(*waits, strict=True))
        print(f"\nanother encoder, {shape}: {pictures:.2f} s without a picture, {sounds:.2f} s without sound")


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
