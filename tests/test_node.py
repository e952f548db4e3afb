import asyncio
import logging
import re
import socket
from pathlib import Path
from unittest import mock

import aiohttp
import pytest

from mesh.errors import ConfigError
from tests.net.asynctest import asynctest, until
from tests.net.nodes import (
    HEADERS,
    HOST,
    Client,
    Mesh,
    Player,
    Poster,
    RTMPClient,
    footprint,
    gop,
    http,
    keepsakes,
    keyframe,
    meshed,
    rtmp,
    written,
)


async def crowd(mesh: Mesh) -> None:
    """Clients of every kind, in every state."""
    a, b = mesh
    big = keyframe(6)._replace(payload=keyframe(6).payload + bytes(9 << 20))
    await Poster.begin(a, "/live/x", *HEADERS, *gop(0), expect=True)
    await RTMPClient.publish(b, "live/y", *HEADERS, *gop(0), big)
    await written(a, "live/x", 8)
    await written(b, "live/y", 9)
    await until(lambda: a.gossip.tables.leader("live/y") and b.gossip.tables.leader("live/x"))
    for node in mesh:
        for key in ("live/x", "live/y"):
            await Player.begin(node, f"/{key}.flv?redirect=0")
            await RTMPClient.play(node, key)
        for request in ("GET /live/none.flv?wait=60", "GET /livez"):
            await Client.ask(http(node), request)
        await Client.ask(http(node), "POST /live/x", "Transfer-Encoding: chunked")
        waiting = await RTMPClient.connect(rtmp(node))
        waiting.session.play(f"rtmp://{HOST}/live/none?wait=60")
        await until(lambda waiting=waiting: pumped(waiting))
        for port in (http(node), rtmp(node)):
            await Client.connect(port)
            (await Client.connect(port)).send(b"GET")
    await asyncio.sleep(0.1)
    assert len(a.fanout) == len(b.fanout) == 4


def pumped(client: RTMPClient) -> bool:
    """Whether it has asked to play."""
    client.session.receive_data(bytes(client.reader._buffer))
    client.reader._buffer.clear()
    client.flush()
    return bool(client.session._stream_id)


@asynctest
async def test_a_node_that_is_stopped_leaves_nothing_behind_whoever_is_connected(tmp_path: Path) -> None:
    await keepsakes()
    before = footprint()
    async with meshed(tmp_path, "a", "b") as mesh, aiohttp.ClientSession() as session:
        await crowd(mesh)
        await session.ws_connect(f"ws://{HOST}:{http(mesh[0])}/live/x.flv")
        began = asyncio.get_running_loop().time()
        await mesh.stop(*mesh)
        assert asyncio.get_running_loop().time() - began < 2.5
    await asyncio.sleep(0.01)
    assert footprint() == before


@asynctest
async def test_a_node_without_clients_stops_at_once(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as mesh:
        began = asyncio.get_running_loop().time()
        await mesh.stop(*mesh)
        assert asyncio.get_running_loop().time() - began < 0.2


@pytest.mark.parametrize("twice", [False, True])
@asynctest
async def test_a_node_that_drains_lets_players_have_the_rest_unless_it_is_told_again(
    tmp_path: Path, twice: bool
) -> None:
    async with meshed(tmp_path, "a", "b", node__drain_s="5") as mesh:
        a, b = mesh
        big = keyframe(1)._replace(payload=keyframe(1).payload + bytes(9 << 20))
        await Poster.begin(a, "/live/x", *HEADERS, big)
        await written(a, "live/x", 4)
        player = await Player.begin(a, "/live/x.flv")
        a.drain()
        await until(lambda: b.gossip.tables.members[a.gossip.id].status == "draining")
        if twice:
            a.drain()
            await until(lambda: b.gossip.tables.members[a.gossip.id].status == "left")
        else:
            assert len(await player.tags(4)) == 4 and b"onRedirect" in await player.rest()
        await mesh.stop(a)


@asynctest
async def test_others_are_told_who_leaves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with meshed(tmp_path, "a", "b", "c") as mesh:
        a, b, c = mesh
        await mesh.stop(b)
        await mesh.kill(c)
        await until(lambda: a.gossip.tables.members[b.gossip.id].status == "left")
        await until(lambda: a.gossip.tables.members[c.gossip.id].status == "dead")
        lines = [record.getMessage() for record in caplog.records if record.name == "mesh.node"]
        assert f"b at {HOST} is left" in lines and f"c at {HOST} is dead" in lines


@asynctest
async def test_a_node_that_returns_is_taken_for_who_it_was(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as mesh:
        a, b = mesh
        await mesh.stop(b)
        again = await mesh.start("b")
        await mesh.settled()
        assert again.gossip.id == b.gossip.id
        assert again.gossip.card.incarnation == b.gossip.card.incarnation + 1
        assert a.gossip.tables.display_name(again.gossip.id) == "b"


@pytest.mark.parametrize("key", ["rtmp.listen", "http.listen", "mesh.listen"])
@asynctest
async def test_a_taken_port_is_named_and_leaves_nothing_behind(tmp_path: Path, key: str) -> None:
    async with meshed(tmp_path, "a") as mesh:
        before = footprint()
        with socket.create_server((HOST, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigError, match=f"^{key}: cannot listen on port {port}"):
                await mesh.start("b", **{key.replace(".", "__"): f"{HOST}:{port}"})
        assert footprint() == before


@asynctest
async def test_a_directory_is_one_nodes_alone(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a") as mesh:
        before = footprint()
        with pytest.raises(ConfigError, match=r"^node\.data_dir: .* is in use by another node"):
            await mesh.start("a")
        assert footprint() == before


@asynctest
async def test_a_node_whose_chore_fails_lets_everybody_go_and_ends_with_what_failed(tmp_path: Path) -> None:
    await keepsakes()
    before = footprint()
    async with meshed(tmp_path, "a") as mesh:
        a = mesh.pop()
        publisher = await RTMPClient.publish(a, "live/x", *HEADERS)
        a.streams.get("live/x").tend = mock.Mock(side_effect=ZeroDivisionError)
        with pytest.raises(ExceptionGroup) as failure:
            await mesh._running.pop(a)
        assert failure.group_contains(ZeroDivisionError)
        await publisher.hung_up()
    await until(lambda: footprint() == before)


@asynctest
async def test_the_greeting_says_where_to_go(tmp_path: Path) -> None:
    async with meshed(tmp_path, "a", "b") as (a, b):
        lines = b.greeting.splitlines()
        assert lines[0].startswith("b is a node of 'test-")
        assert f"rtmp://{HOST}:{rtmp(b)}/live/NAME" in lines[1]
        assert f"http://{HOST}:{http(b)}/watch/live/NAME" in lines[2]
        assert re.search(r"has met a\)$", lines[3]) and a.greeting.endswith("has met b)")
