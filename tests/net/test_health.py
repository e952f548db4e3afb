import asyncio
import errno
import json
import logging
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.net import health
from mesh.net.health import BEGINS, ENDS, HTTP, RTMP, Check, Health, answers, disk
from mesh.node import Node
from tests.net.asynctest import asynctest, until
from tests.net.nodes import HEADERS, Player, Poster, get, gop, meshed

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB of its own."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "mesh-test", str(directory)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield directory
    subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Write until the disk takes no more."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError) as full:
        while True:
            file.write(bytes(1 << 16))
    assert full.value.errno == errno.ENOSPC
    return ballast


@as_root
@asynctest
async def test_a_disk_is_full_when_nothing_can_be_written(small_disk):
    check = disk(small_disk)
    assert await check() == ""
    ballast = fill(small_disk)
    assert await check() == "disk of node.data_dir is full"
    ballast.unlink()
    assert await check() == ""


@as_root
def test_a_disk_that_is_gone_or_was_made_read_only_is_named(small_disk):
    check = disk(small_disk / "node")
    assert asyncio.run(check()) == "node.data_dir cannot be used: No such file or directory"
    (small_disk / "node").mkdir()
    assert asyncio.run(check()) == ""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert asyncio.run(check()) == "node.data_dir is read-only"


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    for name, value in {"PERIOD_S": 0.05, "REST_S": 0.01, "ANSWER_S": 0.2}.items():
        monkeypatch.setattr(health, name, value)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(1))


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "", "::1", "::", "0.0.0.0"])
@pytest.mark.parametrize(
    ("client", "said"), [(speaks, ""), (hangs_up, ""), (silent, "http.listen does not answer itself")]
)
def test_a_listener_is_asked_as_a_client_asks(host, client, said):
    @asynctest
    async def asked() -> None:
        listener = health_listener(host)
        async with await asyncio.start_server(client, sock=listener):
            assert await answers("http.listen", listener, HTTP)() == said

    asked()


def health_listener(host: str) -> socket.socket:
    if not host:
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


@asynctest
async def test_a_listener_that_nobody_accepts_from_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert await answers("rtmp.listen", listener, RTMP)() == "rtmp.listen does not answer itself"
        check = answers("rtmp.listen", listener, RTMP)
    assert await check() == "rtmp.listen does not answer itself"


async def said(*findings: str) -> list[str]:
    """What a node says that finds this, look after look."""
    watched, told, left = Health(), [], iter(findings)
    over = asyncio.Event()

    async def check() -> str:
        told.append(watched.ill)
        found = next(left, None)
        if found is None:
            over.set()
            await asyncio.Event().wait()
        return found or ""

    running = asyncio.create_task(watched.run([check]))
    await over.wait()
    running.cancel()
    return told[1:]


@asynctest
async def test_what_is_found_once_is_not_believed_and_what_is_missed_once_is_not_over(caplog):
    assert (BEGINS, ENDS) == (2, 3)
    caplog.set_level(logging.INFO)
    found = await said("", "a 1", "", "a 2", "a 3", "a 4", "", "", "a 5", "", "", "", "a 6", "")
    assert found == ["", "", "", "", "a 3", "a 3", "a 3", "a 3", "a 3", "a 3", "a 3", "", "", ""]
    assert [record.message for record in caplog.records] == [
        "this node is ill, nobody is sent here: a 3",
        "this node has recovered: a 3 no more",
    ]


def finding(*texts: str) -> list[Check]:
    def check(text: str) -> Callable[[], Awaitable[str]]:
        async def found() -> str:
            return text

        return found

    return [check(text) for text in texts]


@asynctest
async def test_all_that_is_wrong_is_said_as_far_as_it_fits():
    watched = Health()
    running = asyncio.create_task(watched.run(finding("a is full", "", "b is late", "c" * 200)))
    await until(lambda: watched.ill.startswith("a is full; b is late; ccc"))
    assert len(watched.ill) == 120
    running.cancel()


@as_root
@asynctest
async def test_a_node_with_a_full_disk_tells_all_and_gets_nobody_until_there_is_room(small_disk, tmp_path):
    async with meshed(tmp_path, "a") as mesh:
        ill = await mesh.start("b", node__data_dir=str(small_disk))
        await mesh.settled()
        (a, b), seen = mesh, lambda: a.gossip.tables.members[b.gossip.id].load.ill
        assert b is ill
        assert seen() == ""
        ballast = fill(small_disk)
        await until(lambda: seen() == "disk of node.data_dir is full")
        ballast.unlink()
        await until(lambda: seen() == "")


@asynctest
async def test_a_node_whose_players_wait_as_long_as_they_may_is_chosen_for_no_other(tmp_path):
    async with meshed(tmp_path, "a", "b", egress__pass_max_ms="0.001") as (a, b):
        poster = await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        await until(lambda: b.gossip.tables.leader("live/x"))
        assert (await route(b))["action"] == "redirect"
        player = await Player.begin(a, "/live/x.flv")
        await player.tags(8)
        poster.feed(*gop(5))
        await until(lambda: b.gossip.tables.members[a.gossip.id].load.ill == "players wait 0.001 ms")
        assert not b.gossip.tables.members[a.gossip.id].load.usable
        assert (await route(b))["action"] == "serve"
        player.close()
        await until(lambda: b.gossip.tables.members[a.gossip.id].load.ill == "")
        assert (await route(b))["action"] == "redirect"


@as_root
@asynctest
async def test_a_node_that_is_ill_and_alone_serves_all_the_same_and_says_so(small_disk, tmp_path):
    async with meshed(tmp_path) as mesh:
        a = await mesh.start("a", node__data_dir=str(small_disk))
        await Poster.begin(a, "/live/x", *HEADERS, *gop(0))
        fill(small_disk)
        await until(lambda: a.gossip.tables.members[a.gossip.id].load.ill)
        told = await route(a)
        assert told["action"] == "serve"
        assert told["reasons"][1:] == ["nobody else can take it, though a is ill: disk of node.data_dir is full"]
        assert len(await (await Player.begin(a, "/live/x.flv")).tags(8)) == 8


async def route(node: Node) -> dict[str, Any]:
    """What a node does with a player."""
    return json.loads((await get(node, "/api/v1/route?stream=live/x"))[2])


@asynctest
async def test_a_node_whose_listener_is_gone_says_so(tmp_path):
    async with meshed(tmp_path, "a") as mesh:
        (a,) = mesh
        a._rtmp._server.close()
        await until(lambda: a.gossip.tables.members[a.gossip.id].load.ill == "rtmp.listen does not answer itself")
