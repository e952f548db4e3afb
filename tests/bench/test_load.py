import asyncio
import os
from contextlib import asynccontextmanager

import pytest

from mesh.bench.clip import noise
from mesh.bench.load import Plan, play, publish
from tests.net.asynctest import asynctest, until
from tests.net.nodes import meshed

CLIP = noise(300)
SECONDS = 0.6
SCHEMES = ("http", "ws", "rtmp")


def plan(*urls, **more):
    return Plan(urls, seconds=SECONDS, settle_s=0.2, **more)


def url(node, scheme, name):
    port = node.gossip.card.rtmp if scheme == "rtmp" else node.gossip.card.http
    return f"{scheme}://127.0.0.1:{port}/{name}"


@asynccontextmanager
async def published(node, scheme, *names, seconds=4.0):
    """Publishers in a thread of their own; what they report comes last."""
    reports = []

    def run():
        urls = [url(node, scheme, name) for name in names]
        reports.append(publish(Plan(urls, seconds=seconds, settle_s=0.0), CLIP, True, 4096, lambda words: None))

    running = asyncio.create_task(asyncio.to_thread(run))
    try:
        await until(lambda: all(node.streams.get(name) for name in names))
        yield reports
    finally:
        await running


@pytest.mark.parametrize("scheme", SCHEMES)
@asynctest
async def test_players_of_each_protocol_get_the_stream(scheme, tmp_path):
    async with meshed(tmp_path, "a") as (node,), published(node, "rtmp", "live/x"):
        suffix = "" if scheme == "rtmp" else ".flv"
        target = url(node, scheme, f"live/x{suffix}")
        report = await asyncio.to_thread(
            play, plan(*[target] * 5, pid=os.getpid(), ramp_s=0.1), 2, None, lambda words: None
        )
        assert (report.joined, report.errors) == (5, {})
        assert report.kbps.p50 > 150
        assert 0 < report.delay_ms.p50 < 1000
        assert report.cpu_us > 0


@asynctest
async def test_players_follow_redirects_and_count_them(tmp_path):
    async with meshed(tmp_path, "a", "b") as (a, b), published(a, "http", "live/x") as reports:
        await until(lambda: b.gossip.tables.leader("live/x"))
        report = await asyncio.to_thread(play, plan(url(b, "http", "live/x.flv")), 1, None, lambda words: None)
        assert (report.joined, report.redirects) == (1, 1)
    assert reports[0].joined == 1 and reports[0].kbps.p50 > 150


@asynctest
async def test_a_lazy_player_is_closed_or_falls_behind(tmp_path):
    async with meshed(tmp_path, "a") as (node,), published(node, "rtmp", "live/x"):
        target = url(node, "http", "live/x.flv")
        report = await asyncio.to_thread(play, plan(target, target), 0, 80, lambda words: None)
        assert report.joined == 2 and 0 < report.kbps.most <= 90


@asynctest
async def test_refusals_are_counted_by_reason(tmp_path):
    async with meshed(tmp_path, "a") as (node,):
        urls = [url(node, "http", "live/none.flv")] * 2 + [url(node, "rtmp", "live/none"), "http://127.0.0.1:1/x/y.flv"]
        report = await asyncio.to_thread(play, plan(*urls), 0, None, lambda words: None)
        assert report.joined == 0
        assert report.errors == {"HTTP 404": 2, "NetStream.Play.StreamNotFound": 1, "Connection refused": 1}


@pytest.mark.parametrize("location", ["https://h/live/x.flv", "http://127.0.0.1:99999/live/x.flv", "gopher:"])
@asynctest
async def test_a_redirect_to_nowhere_is_counted(location):
    def answer(reader, writer):
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        target = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/x.flv"
        for load, more in ((play, (0, None)), (publish, (CLIP, False, 4096))):
            report = await asyncio.to_thread(load, plan(target), *more, lambda words: None)
            assert (report.joined, sum(report.errors.values())) == (0, 1), report.errors
