import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from mesh.errors import StreamError
from mesh.gossip.member import Lead, LeadState
from mesh.media.flv import Tag
from mesh.net import leadership
from mesh.node import Node
from mesh.relay.end import AskEnd
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Client, Player, Poster, RTMPClient, gop, http, meshed, payloads, sound, written

KEY = "live/x"


def leads(observer: Node, node: Node) -> bool:
    lead = observer.gossip.tables.leader(KEY)
    return lead is not None and (lead.node, lead.state) == (node.gossip.id, LeadState.LIVE)


def waits(observer: Node, node: Node) -> bool:
    return any(
        lead.node == node.gossip.id and lead.state == LeadState.STANDBY for lead in observer.gossip.tables.leads(KEY)
    )


class Encoder:
    """One encoder that pushes to several nodes: five pictures and as many sounds in each GOP of 200 ms."""

    def __init__(self, *outputs: Any) -> None:
        self.outputs = list(outputs)
        self.sent: list[Tag] = []
        self._running: asyncio.Task[None] | None = None

    async def run(self) -> None:
        for first in range(0, 1 << 20, 5):
            for picture in gop(first):
                pair = picture, sound(picture.timestamp // 40)
                self.sent += pair
                for output in self.outputs:
                    output.feed(*pair)
                await asyncio.sleep(0.02)

    async def __aenter__(self) -> "Encoder":
        self._running = asyncio.create_task(self.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running
        self._running.cancel()


async def pair(a: Node, b: Node) -> tuple[Any, Any]:
    """A publisher who leads, and one who waits."""
    first = await RTMPClient.publish(a, KEY, *HEADERS)
    await until(lambda: leads(b, a))
    second = await Poster.begin(b, f"/{KEY}", *HEADERS, expect=True)
    await until(lambda: waits(a, b))
    return first, second


async def seamless(player: Player, encoder: Encoder, until_tag: Tag) -> None:
    """It gets every frame once and at its time, up to this one."""
    tags = [tag for tag in await player.tags(8) if tag.payload not in payloads(HEADERS)]
    while until_tag.payload not in payloads(tags):
        tags += [tag for tag in await player.tags(1) if tag.payload not in payloads(HEADERS)]
    sent = encoder.sent[encoder.sent.index(tags[0]) :]
    assert tags == sent[: len(tags)]


async def aligned(node: Node) -> None:
    standby = node.streams.get(KEY)._leadership.standby
    await until(lambda: standby.alignment.shift is not None)


@pytest.mark.parametrize("goes", ["publisher", "node"])
@asynctest
async def test_a_standby_of_the_same_encoder_goes_on_with_the_next_frame(tmp_path: Path, goes: str) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__standby="true") as mesh:
        a, b, c = mesh
        outputs = await pair(a, b)
        async with Encoder(*outputs) as encoder:
            players = [await Player.begin(node, f"/{KEY}.flv?redirect=0&wait=5") for node in (b, c)]
            await aligned(b)
            encoder.outputs.pop(0)
            outputs[0].close()
            if goes == "node":
                await mesh.kill(a)
            await until(lambda: leads(c, b))
            await asyncio.sleep(0.2)
            for player in players:
                await seamless(player, encoder, encoder.sent[-1])
            assert c.gossip.tables.leader(KEY).epoch == 2 and not waits(c, b)


@asynctest
async def test_a_standby_takes_over_when_it_is_asked_to_and_back(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__standby="true") as mesh:
        a, b, c = mesh
        async with Encoder(*await pair(a, b)) as encoder:
            players = [await Player.begin(node, f"/{KEY}.flv?redirect=0&wait=5") for node in mesh]
            for one, other in ((a, b), (b, a)):
                await aligned(other)
                await other.streams.get(KEY).take_over()
                await until(lambda one=one, other=other: leads(c, other) and waits(c, one))
            assert c.gossip.tables.leader(KEY).epoch == 3
            await asyncio.sleep(0.2)
            for player in players:
                await seamless(player, encoder, encoder.sent[-1])


@asynctest
async def test_a_standby_of_another_encoder_goes_on_at_its_next_keyframe(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__standby="true") as (a, b):
        first, second = await pair(a, b)
        player = await Player.begin(b, f"/{KEY}.flv?redirect=0&wait=5")
        first.feed(*gop(0))
        await player.sees(*gop(0))
        second.feed(*gop(100))
        await written_by_standby(b, 8)
        first.close()
        await until(lambda: not a.streams.get(KEY).publication)
        for n in range(101, 140):
            second.feed(*gop(n)[1:2])
            await asyncio.sleep(0.02)
            if leads(a, b):
                break
        second.feed(*gop(200))
        tags = await player.tags(8)
        assert payloads(tags) == payloads([*HEADERS, *gop(200)])
        assert 160 < tags[-5].timestamp < 3000


@asynctest
async def test_a_source_that_is_up_but_silent_is_lost_after_a_while(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__standby="true", stream__silence_s="1") as (a, b):
        first, second = await pair(a, b)
        async with Encoder(first, second) as encoder:
            player = await Player.begin(b, f"/{KEY}.flv?redirect=0&wait=5")
            await aligned(b)
            encoder.outputs.remove(first)
            await asyncio.sleep(0.6)
            assert leads(b, a)
            await until(lambda: leads(a, b) and waits(b, a))
            await asyncio.sleep(0.2)
            await seamless(player, encoder, encoder.sent[-1])


@asynctest
async def test_a_second_publisher_on_the_same_node_is_refused(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__standby="true") as (a, b):
        await pair(a, b)
        for node in (a, b):
            client = await Client.ask(http(node), f"POST /{KEY}", "Transfer-Encoding: chunked", "Expect: 100-continue")
            assert await client.status() == 409
        with pytest.raises(StreamError, match="no publisher of live/x waits here"):
            await a.streams.get(KEY).take_over()
        assert leads(b, a)


@asynctest
async def test_of_two_publishers_at_the_same_moment_one_waits(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__standby="true") as (a, b):
        outputs = await asyncio.gather(RTMPClient.publish(a, KEY, *HEADERS), RTMPClient.publish(b, KEY, *HEADERS))
        await until(lambda: (leads(a, b) and waits(b, a)) or (leads(b, a) and waits(a, b)))
        for output in outputs:
            output.close()
        await until(lambda: not a.gossip.tables.leads(KEY) and not b.gossip.tables.leads(KEY))


@asynctest
async def test_a_standby_that_leaves_is_told_to_nobody_any_more(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", stream__standby="true", stream__linger_s="0.2") as (a, b):
        first, second = await pair(a, b)
        first.feed(*gop(0))
        await written(a, KEY, 8)
        used = a.catalog.budget.used
        assert used > 0
        second.close()
        await until(lambda: not waits(a, b))
        await until(lambda: not len(b.streams) and b.catalog.budget.used == 0)
        assert leads(b, a)


async def written_by_standby(node: Node, count: int) -> None:
    await until(lambda: node.streams.get(KEY)._leadership.standby.publication.leader.frames >= count)


@asynctest
async def test_a_contest_that_was_broken_off_leaves_no_trace_in_the_next(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        b.gossip.on(AskEnd, lambda *_: None)
        publisher = await RTMPClient.publish(a, KEY, *HEADERS)
        async with Encoder(publisher):
            await written(a, KEY, 20)
            here = a.streams.get(KEY)._leadership
            b.gossip.lead(Lead(b.gossip.id, KEY, 2, LeadState.LIVE))
            await until(lambda: here._contesting)
            b.gossip.unlead(KEY)
            await until(lambda: here._contesting is None)
            assert here.publication


@asynctest
async def test_a_rival_who_does_not_answer_is_given_way_after_some_time(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        b.gossip.on(AskEnd, lambda *_: None)
        with mock.patch.object(leadership, "CONTEST_S", 0.5):
            publisher = await RTMPClient.publish(a, KEY, *HEADERS)
            async with Encoder(publisher):
                await written(a, KEY, 20)
                b.gossip.lead(Lead(b.gossip.id, KEY, 2, LeadState.LIVE))
                await until(lambda: a.streams.get(KEY).publication is None)


@asynctest
async def test_a_lead_is_said_again_only_when_it_has_changed(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__silence_s="5") as (a,):
        publisher = await RTMPClient.publish(a, KEY, *HEADERS, *gop(0))
        await written(a, KEY, 8)
        stream, now = a.streams.get(KEY), asyncio.get_running_loop().time()
        stream.tend(now)
        with mock.patch.object(a.gossip, "lead", wraps=a.gossip.lead) as said:
            stream.tend(now)
            said.assert_not_called()
            stream.tend(now + 6)
            said.assert_called_once()
            assert [lead.state for lead in a.gossip.tables.leads(KEY)] == [LeadState.STALLED]
        publisher.close()
