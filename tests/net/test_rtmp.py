import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from mesh.gossip.member import LeadState
from mesh.media.amf0 import Value
from mesh.node import Node
from mesh.rtmp import chunk
from mesh.rtmp.command import Command
from mesh.rtmp.event import PlayEnded, Published, PublishEnded, Rejected
from mesh.rtmp.message import Type, UserControl, user_control
from tests.net.asynctest import asynctest, until
from tests.net.nodes import (
    HEADERS,
    HOST,
    LEAVES,
    Client,
    Player,
    Poster,
    RTMPClient,
    footprint,
    gop,
    keyframe,
    meshed,
    payloads,
    rtmp,
    written,
)


async def asked(node: Node, action: str, target: str) -> RTMPClient:
    """A client that has asked, and not waited for the answer."""
    client = await RTMPClient.connect(rtmp(node))
    getattr(client.session, action)(f"rtmp://{HOST}/{target}")
    client.flush()
    return client


def call(client: RTMPClient, name: str, transaction: float, *arguments: Value) -> None:
    """Say something that our own client never says."""
    client.session._connection.call(Command(name, transaction, None, arguments), 1)


@asynctest
async def test_a_player_gets_what_a_publisher_sends(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0), *gop(5))
        await written(a, "live/x", 13)
        await until(lambda: b.gossip.tables.leader("live/x"))
        players = [await RTMPClient.play(node, "live/x") for node in (a, b)]
        joined = [await player.tags(8) for player in players]
        publisher.feed(*gop(10))
        for player, tags in zip(players, joined, strict=True):
            tags += await player.tags(5)
            assert payloads(tags) == payloads([*HEADERS, *gop(5), *gop(10)])
            assert [tag.timestamp for tag in tags[3:]] == [40 * n for n in range(5, 15)]


@asynctest
async def test_a_publisher_need_not_wait_for_the_answer(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await RTMPClient.connect(rtmp(a))
        client.session.publish(f"rtmp://{HOST}/live/x")
        # Until it asks to publish it has to listen; then everything comes in one packet.
        with mock.patch.object(client, "send", side_effect=client.send) as sent:
            while not client.session._stream_id:
                client.flush()
                client.session.receive_data(await client.reader.read(1 << 16))
        for tag in (*HEADERS, *gop(0)):
            client.session.send(*tag)
        client.flush()
        assert sent.called
        player = await Player.begin(a, "/live/x.flv?wait=3")
        assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])


@asynctest
async def test_what_follows_a_publish_in_its_packet_is_heeded_in_order(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await RTMPClient.connect(rtmp(a))
        client.session.publish(f"rtmp://{HOST}/live/x")
        while not client.session._stream_id:
            client.flush()
            client.session.receive_data(await client.reader.read(1 << 16))
        for tag in (*HEADERS, *gop(0)):
            client.session.send(*tag)
        client.session.close()
        client.flush()
        assert {type(await client.event()) for _ in range(2)} == {Published, PublishEnded}
        await until(lambda: a.streams.get("live/x") and not a.streams.get("live/x").publication)
        assert a.streams.get("live/x").log.head & 0xFFFF == 8


@pytest.mark.parametrize("name", ["y", "x"])
@asynctest
async def test_a_publisher_may_end_and_publish_again_on_one_connection(tmp_path: Path, name: str) -> None:
    async with meshed(tmp_path, "a") as (a,):
        client = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        client.session.close()
        await client.expect(PublishEnded)
        call(client, "publish", 6, name, "live")
        await client.expect(Published)
        client.feed(*HEADERS, *gop(0))
        await written(a, f"live/{name}", 8)


REFUSED = [
    ("publish", "live/taken", "NetStream.Publish.BadName", "live/taken is live on a"),
    ("publish", "live/t%20ken", "NetStream.Publish.Denied", "expected APP/NAME"),
    ("play", "live/none", "NetStream.Play.StreamNotFound", "no node has live/none"),
    ("play", "live/none?wait=0.05", "NetStream.Play.StreamNotFound", "no node has live/none"),
    ("play", "live/none?wait=soon", "NetStream.Play.Failed", "wait=soon, expected seconds"),
]


@asynctest
async def test_who_is_refused_is_told_why_and_hung_up_on(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        await RTMPClient.publish(a, "live/taken", *HEADERS)
        await until(lambda: b.gossip.tables.leader("live/taken"))
        for node in (a, b):
            for action, target, code, words in REFUSED:
                client = await asked(node, action, target)
                rejected = await client.expect(Rejected)
                assert rejected.code == code and words in rejected.description
                assert await client.event() is None


@asynctest
async def test_a_node_without_room_and_strangers_are_refused_too(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        with mock.patch("mesh.net.streams.trusted", return_value=False):
            rejected = await (await asked(a, "publish", "live/x")).expect(Rejected)
            assert rejected.code == "NetStream.Publish.Denied" and "public address" in rejected.description
        await RTMPClient.publish(a, "live/x", *HEADERS)
        await written(a, "live/x", 3)
        a.gossip.drain(True)
        for action in ("play", "publish"):
            rejected = await (await asked(a, action, "live/y" if action == "publish" else "live/x")).expect(Rejected)
            assert rejected.code == "NetConnection.Connect.Rejected"


@asynctest
async def test_a_player_may_wait_for_a_stream(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        players = [await asked(node, "play", "live/x?wait=5") for node in (a, b)]
        await asyncio.sleep(0.1)
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        for player in players:
            await player.event()
            assert payloads(await player.tags(8)) == payloads([*HEADERS, *gop(0)])


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("doing", ["play", "publish", "wait", "greet"])
@asynctest
async def test_however_a_client_leaves_nothing_of_him_stays(
    tmp_path: Path, doing: str, leave: Callable[[Client], None]
) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        before = footprint()
        match doing:
            case "play":
                client = await RTMPClient.play(a, "live/x")
            case "publish":
                client = await RTMPClient.publish(a, "live/y", *HEADERS)
                await written(a, "live/y", 3)
            case "wait":
                client = await asked(a, "play", "live/z?wait=0.2")
            case "greet":
                client = await RTMPClient.connect(rtmp(a))
                client.send(b"\x03" + bytes(100))
        await asyncio.sleep(0.02)
        leave(client)
        await client.hung_up()
        client.close()
        await until(lambda: footprint() == before)
        assert not len(a.fanout) and not a._rtmp.connections
        assert not a.gossip.tables.leads("live/y")


@asynctest
async def test_who_says_nothing_for_too_long_is_hung_up_on(tmp_path: Path) -> None:
    with mock.patch("mesh.net.rtmp.GREETING_S", 0.1):
        async with meshed(tmp_path, "a") as (a,):
            await (await Client.connect(rtmp(a))).hung_up()
            client = await RTMPClient.publish(a, "live/x", *HEADERS)
            await asyncio.sleep(0.2)
            client.feed(*gop(0))
            await written(a, "live/x", 8)
            client.session.close()
            await client.expect(PublishEnded)
            assert await client.event() is None, "who has ended has to say again what he wants"


@asynctest
async def test_what_makes_no_sense_ends_that_connection_and_what_it_published(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with meshed(tmp_path, "a") as (a,):
        caplog.set_level(logging.INFO)
        client = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        client.feed(keyframe(1)._replace(payload=b"\x17"))
        await client.hung_up()
        await until(lambda: not a.gossip.tables.leads("live/x"))
        (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert "closed: video of 1 bytes (17) ends within its header" in line


@asynctest
async def test_a_failure_of_our_own_hangs_up_on_the_client_it_concerns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with meshed(tmp_path, "a") as (a,):
        before = footprint()
        with mock.patch.object(a.streams, "play", side_effect=ZeroDivisionError):
            client = await asked(a, "play", "live/x")
            assert await client.event() is None
        client.close()
        await until(lambda: footprint() == before)
        assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


@asynctest
async def test_a_player_who_ends_is_let_go(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        player = await RTMPClient.play(a, "live/x")
        await player.tags(8)
        player.session.close()
        player.flush()
        await player.hung_up()
        await until(lambda: not len(a.fanout))


@asynctest
async def test_players_are_told_that_the_stream_ended(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__hold_s="0") as (a,):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        player = await RTMPClient.play(a, "live/x")
        await player.tags(8)
        publisher.close()
        assert (await player.expect(PlayEnded)).reason == "the stream has ended"
        assert await player.event() is None


@asynctest
async def test_a_stream_is_stalled_while_its_publisher_is_silent_and_held_when_he_has_gone(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", stream__silence_s="0.2") as (a,):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        await until(lambda: (lead := a.gossip.tables.leader("live/x")) and lead.state == LeadState.STALLED)
        publisher.close()
        await until(lambda: a.gossip.tables.leader("live/x") is None)
        assert [replica.supplier for replica in a.gossip.tables.replicas("live/x")] == [""]


@asynctest
async def test_frames_and_answers_to_a_player_do_not_cut_each_other(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as (a,):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        player = await RTMPClient.play(a, "live/x")
        for turn in range(1, 30):
            call(player, "pause", 0, bool(turn % 2), 0.0)
            player.flush()
            publisher.feed(*(tag._replace(payload=tag.payload + bytes(9000)) for tag in gop(5 * turn)))
        tags = await player.tags(8 + 29 * 5)
        assert [tag.timestamp for tag in tags[3:]] == [40 * n for n in range(30 * 5)]


@asynctest
async def test_a_failure_of_this_node_costs_one_publisher(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with meshed(tmp_path, "a") as (a,):
        healthy = await RTMPClient.publish(a, "live/healthy", *HEADERS, *gop(0))
        await written(a, "live/healthy", 8)
        with mock.patch("mesh.net.publication.Publication.write", side_effect=ZeroDivisionError):
            for number in range(2):
                client = await asked(a, "publish", f"live/{number}")
                while not client.session._stream_id:
                    client.session.receive_data(await client.reader.read(1 << 16))
                    client.flush()
                for tag in HEADERS:
                    client.session.send(*tag)
                client.flush()
                while await client.reader.read(1 << 16):
                    pass
        assert caplog.text.count("cannot be read") == 2
        healthy.feed(*gop(5))
        await written(a, "live/healthy", 13)


@asynctest
async def test_who_asks_and_reads_no_answer_is_closed(tmp_path: Path) -> None:
    ping = user_control(UserControl.PING_REQUEST, 1)
    async with meshed(tmp_path, "a") as (a,):
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS, *gop(0))
        await written(a, "live/x", 8)
        publisher.writer.transport.pause_reading()
        publisher.send(chunk.encode(Type.USER_CONTROL, 0, 0, ping))
        for _ in range(500):
            if not a._rtmp.connections:
                break
            publisher.send((b"\xc2" + ping) * 10_000)
            await asyncio.sleep(0.01)
        await until(lambda: not a._rtmp.connections and a.streams.get("live/x").publication is None)
