import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp

from mesh.gossip.member import Lead, LeadState
from mesh.media import amf0, flv
from mesh.media.frame import Kind
from mesh.net.drain import Drain
from mesh.node import Node
from mesh.rtmp.event import PlayEnded, Published
from tests.net.asynctest import asynctest, until
from tests.net.nodes import (
    HEADERS,
    HOST,
    Player,
    Poster,
    RTMPClient,
    get,
    gop,
    http,
    meshed,
    payloads,
    picture,
    written,
)
from tests.net.test_leadership import KEY, Encoder, aligned, leads, pair, seamless, waits


async def ending(player: Player) -> tuple[list[flv.Tag], str]:
    """What a player gets until the end, and where it is sent then."""
    reader, data = player._flv, await player.rest()
    *tags, last = reader.feed(data)
    name, told = amf0.decode(last.payload)
    assert (last.kind, name) == (Kind.META, "onRedirect") and isinstance(told, dict)
    return tags, str(told["url"])


async def replicated(node: Node, *others: Node) -> list[Player]:
    """A player on each of these, which therefore have the stream."""
    players = [await Player.begin(other, f"/{KEY}.flv?redirect=0&wait=5") for other in others]
    await until(lambda: len(node.gossip.tables.replicas(KEY)) >= len([o for o in others if o is not node]))
    return players


@asynctest
async def test_players_are_told_at_a_keyframe_where_to_go_on_and_those_of_rtmp_end_at_the_next(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="5") as (a, b):
        publisher = await RTMPClient.publish(a, KEY, *HEADERS, *gop(0))
        await until(lambda: leads(b, a))
        (elsewhere,) = await replicated(a, b)
        player, viewer = await Player.begin(a, f"/{KEY}.flv"), await RTMPClient.play(a, KEY)
        async with aiohttp.ClientSession() as session:
            socket = await session.ws_connect(f"ws://{HOST}:{http(a)}/{KEY}.flv", autoclose=False)
            assert [len(await client.tags(8)) for client in (player, viewer, elsewhere)] == [8, 8, 8]
            a.drain()
            await until(lambda: a.streams.get(KEY)._parting)
            publisher.feed(*gop(5)[1:])
            publisher.feed(*gop(10))
            tags, url = await ending(player)
            assert payloads(tags) == payloads(gop(5)[1:]) and url == f"http://{HOST}:{http(b)}/{KEY}.flv?via=a"
            last = message = await socket.receive()
            while message.type == aiohttp.WSMsgType.BINARY:
                last, message = message, await socket.receive()
            assert f"ws://{HOST}:{http(b)}/{KEY}.flv?via=a".encode() in last.data
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1000)
            assert payloads(await viewer.tags(9)) == payloads([*gop(5)[1:], *gop(10)])
            await until(lambda: a.streams.get(KEY)._parting)
            publisher.feed(*gop(15))
            assert isinstance(await viewer.event(), PlayEnded)
        await publisher.hung_up()
        assert payloads(await elsewhere.tags(14)) == payloads([*gop(5)[1:], *gop(10), *gop(15)])
        await until(lambda: b.gossip.tables.members[a.gossip.id].status == "left")


@asynctest
async def test_a_stream_with_a_standby_is_handed_over_first(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", stream__standby="true", node__drain_s="5") as (a, b, c):
        outputs = await pair(a, b)
        async with Encoder(*outputs) as encoder:
            players = await replicated(a, c)
            await aligned(b)
            await c._drain._orders.give(a.gossip.id, "drain")  # type: ignore[arg-type]
            await until(lambda: leads(c, b) and not waits(c, a))
            await outputs[0].hung_up()
            await asyncio.sleep(0.2)
            for player in players:
                await seamless(player, encoder, encoder.sent[-1])


@asynctest
async def test_a_publisher_who_can_is_asked_to_go_on_elsewhere_before_he_is_closed(tmp_path: Path) -> None:
    able = mock.patch.dict("mesh.rtmp.client.VERSION", capsEx=1.0)
    heeding = mock.patch("mesh.rtmp.client._status", lambda reply: reply.argument(0, dict).get("tcUrl") or Published())
    async with meshed(tmp_path, "a", "b", node__drain_s="5") as (a, b):
        with able, heeding:
            publisher = await RTMPClient.publish(a, KEY, *HEADERS, *gop(0))
            (player,) = await replicated(a, b)
            a.drain()
            assert await publisher.event() == f"rtmp://{HOST}:{b.gossip.tables.members[b.gossip.id].card.rtmp}/live"
            publisher.feed(*gop(5))
            await player.sees(*gop(5))
            assert leads(b, a)
            publisher.close()
        await until(lambda: not leads(b, a))
        successor = await RTMPClient.publish(b, KEY, *HEADERS, *gop(10))
        await until(lambda: b.gossip.tables.members[a.gossip.id].status == "left")
        assert leads(b, b)
        await player.sees(*gop(10))
        successor.close()


@asynctest
async def test_who_fetches_from_a_node_that_drains_goes_on_from_another(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", node__drain_s="5") as (a, b, c):
        publisher: Any = await Poster.begin(a, f"/{KEY}", *HEADERS, expect=True)
        async with Encoder(publisher) as encoder:
            players = await replicated(a, b, c)
            c.streams.get(KEY)._replication._fetch.switch(b.gossip.id)
            await until(lambda: b.relay.feeds(KEY) == 1)
            b.drain()
            await until(lambda: c.gossip.tables.members[b.gossip.id].status == "left")
            await asyncio.sleep(0.1)
            await seamless(players[1], encoder, encoder.sent[-1])


@asynctest
async def test_a_stream_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="5") as (a, _):
        await Poster.begin(a, f"/{KEY}", *HEADERS, *gop(0), expect=True)
        await written(a, KEY, 8)
        player = await Player.begin(a, f"/{KEY}.flv")
        await player.tags(8)
        await asyncio.sleep(1.1)
        a.drain()
        assert (await ending(player))[0] == []


@asynctest
async def test_a_node_that_drains_takes_nobody_until_it_is_told_to(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="5") as (a, b):
        await Poster.begin(b, f"/{KEY}", *HEADERS, *gop(0), expect=True)
        await until(lambda: leads(a, b))
        assert isinstance(a._drain, Drain)
        a._drain.start()
        a._drain.start()
        assert (await get(a, f"/{KEY}.flv?redirect=0"))[0] == 503
        await a._drain.stop()
        await a._drain.stop()
        player = await Player.begin(a, f"/{KEY}.flv?redirect=0")
        assert len(await player.tags(8)) == 8


@asynctest
async def test_who_has_not_gone_yet_stays_when_the_node_is_to_serve_again(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="60") as (a, _):
        publisher = await RTMPClient.publish(a, KEY, *HEADERS, *gop(0))
        player = await Player.begin(a, f"/{KEY}.flv?redirect=0&wait=5")
        assert len(await player.tags(8)) == 8
        a._drain.start()
        await until(lambda: a.streams.get(KEY)._parting)
        await a._drain.stop()
        publisher.feed(*gop(5))
        await player.sees(*gop(5))
        publisher.close()


@asynctest
async def test_of_two_standbys_the_one_that_is_aligned_is_asked_first(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        a, b, c = mesh
        for node in (b, c):
            node.gossip.lead(Lead(node.gossip.id, KEY, 0, LeadState.STANDBY, over=a.gossip.id if node is c else ""))
        await until(lambda: len(a.gossip.tables.leads(KEY)) == 2)
        assert a._drain._standbys(KEY) == [c.gossip.id, b.gossip.id]
        c.gossip.lead(Lead(c.gossip.id, KEY, 0, LeadState.STANDBY))
        b.gossip.lead(Lead(b.gossip.id, KEY, 0, LeadState.STANDBY, over=a.gossip.id))
        await until(lambda: a._drain._standbys(KEY) == [b.gossip.id, c.gossip.id])


@asynctest
async def test_a_stream_without_keyframes_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    """As of encoders that refresh their pictures bit by bit."""
    async with meshed(tmp_path, "a", "b", node__drain_s="1") as (a, b):
        publisher = await RTMPClient.publish(a, KEY, *HEADERS, *gop(0))
        await written(a, KEY, 8)
        await until(lambda: b.gossip.tables.leader(KEY))
        player, other = await Player.begin(a, f"/{KEY}.flv"), await RTMPClient.play(a, KEY)
        await player.tags(8)
        await other.tags(8)
        await b._drain._orders.give(a.gossip.id, "drain")
        for number in range(5, 1000):
            if not len(a.fanout):
                break
            publisher.feed(picture(number))
            await asyncio.sleep(0.01)
        assert b"onRedirect" in await player.rest()
        await until(a._drain._running.done)


@asynctest
async def test_a_player_who_reads_too_slowly_keeps_no_publisher_from_leaving(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="1") as (a, b):
        big = [tag._replace(payload=tag.payload + bytes(4 << 20)) for tag in gop(0)]
        publisher = await Poster.begin(a, f"/{KEY}", *HEADERS, *big)
        await written(a, KEY, 8)
        await until(lambda: b.gossip.tables.leader(KEY))
        player = await Player.begin(a, f"/{KEY}.flv?redirect=0")
        await b._drain._orders.give(a.gossip.id, "drain")
        await publisher.hung_up()
        await until(a._drain._running.done)
        assert not len(a.fanout)
        player.close()


@asynctest
async def test_players_who_are_sent_away_together_go_where_there_is_room_for_them(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b", "c", balance__limits="{players=10}", node__drain_s="60") as (a, b, c):
        publisher = await Poster.begin(a, f"/{KEY}", *HEADERS, *gop(0), expect=True)
        await until(lambda: b.gossip.tables.leader(KEY) and c.gossip.tables.leader(KEY))
        for _ in range(5):
            await (await Player.begin(b, f"/{KEY}.flv?redirect=0")).tags(8)  # who has it is the better place
        await until(lambda: a.gossip.tables.replicas(KEY))
        players = [await Player.begin(a, f"/{KEY}.flv?via=x") for _ in range(9)]
        for player in players:
            await player.tags(8)
        await until(lambda: a.gossip.tables.members[b.gossip.id].load.players == 5)
        a._drain.start()
        await asyncio.sleep(0.05)
        publisher.feed(*gop(5))
        ends = [await player.rest() for player in players]
        there = [sum(f":{http(node)}/".encode() in end for end in ends) for node in (b, c)]
        assert sum(there) == 9 and 0 < there[0] <= 5, there
