"""Other people's encoders and players: librtmp (which OBS speaks), GStreamer, ffmpeg over HTTP, curl."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import flv, synthetic
from tests.e2e.cluster import Cluster
from tests.e2e.compare import compare
from tests.e2e.flv import Tag
from tests.e2e.player import Arrival, Player, playing
from tests.e2e.programs import TEST_SOURCE, program, run
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

PICTURES = "videotestsrc is-live=true num-buffers=75 ! video/x-raw,width=320,height=240,framerate=25/1"
ENCODED = "x264enc bframes=2 key-int-max=25 threads=1 speed-preset=veryfast ! video/x-h264,profile=main ! h264parse"
SOUND = "audiotestsrc is-live=true num-buffers=140 samplesperbuffer=1024 ! audio/x-raw,rate=48000,channels=2 ! voaacenc"


def read_flv(path: Path) -> list[Tag]:
    return flv.Reader().feed(path.read_bytes())


def recorded(path: Path) -> Player:
    """A player that has what is in this file."""
    player = Player(str(path))
    player.arrivals = [Arrival(tag, 0.0) for tag in read_flv(path)]
    return player


@pytest.mark.parametrize("sink", ["rtmpsink", "rtmp2sink"])
@asynctest
async def test_gstreamer_publishes(shared: Cluster, tmp_path: Path, sink):
    a, c, path = shared["a"], shared["c"], tmp_path / "sent.flv"
    muxed = f"flvmux name=m streamable=true ! tee name=t ! queue ! filesink location={path}"
    pipeline = f"{PICTURES} ! {ENCODED} ! {muxed} {SOUND} ! m. t. ! queue ! {sink} location={a.rtmp}/live/{sink}"
    urls = [f"{node.http}/live/{sink}.flv?wait=10&redirect=0" for node in (a, c)]
    async with program("gst-launch-1.0", "-q", *pipeline.split()) as gst, playing(*urls) as players:
        for player in players:
            await player.has(150)
        assert await gst.wait() == 0, (await gst.stdout.read()).decode()
        await asyncio.sleep(0.5)
    sent = read_flv(path)
    for player in players:
        report = compare(sent, player)
        assert report.faithful, f"{player.url}: {report}"
        assert report.received > 180


@pytest.mark.parametrize("element", ["rtmpsrc", "rtmp2src", "souphttpsrc"])
@asynctest
async def test_gstreamer_plays(shared: Cluster, tmp_path: Path, element):
    a, b, path = shared["a"], shared["b"], tmp_path / "seen.flv"
    key = f"live/{element}"
    url = f"{b.http}/{key}.flv?wait=5" if element == "souphttpsrc" else f"{b.rtmp}/{key}?wait=5"
    async with publishing(f"{a.rtmp}/{key}", synthetic.stream(20)) as publisher:
        source = [
            "gst-launch-1.0",
            "-q",
            element,
            f"location={url}",
            "!",
            "filesink",
            f"location={path}",
            "buffer-mode=2",
        ]
        async with program(*source):
            await asyncio.sleep(2)
        sent = publisher.sent[:]
    player = Player(url)
    player.arrivals = [Arrival(tag, 0.0) for tag in flv.Reader().feed(path.read_bytes())]
    report = compare(sent, player, player.frames[-1])
    assert report.received > 40, report
    assert not (report.doubled or report.disordered or report.unknown or len(report.shifts) > 1), report
    assert report.joined and report.joined.keyframe


@asynctest
async def test_rtmpdump_plays_every_frame(shared: Cluster, tmp_path: Path):
    a, b, path = shared["a"], shared["b"], tmp_path / "seen.flv"
    async with publishing(f"{a.rtmp}/live/dump", synthetic.stream(20)) as publisher:
        await asyncio.sleep(0.5)
        async with program("rtmpdump", "-q", "-v", "-r", f"{b.rtmp}/live/dump", "-o", str(path)):
            await asyncio.sleep(2)
        sent = publisher.sent[:]
    player = recorded(path)
    report = compare(sent, player, player.frames[-1])
    assert report.received > 80
    assert not (report.doubled or report.disordered or report.unknown or len(report.shifts) > 1), report


@pytest.mark.parametrize("options", [[], ["-method", "PUT"], ["-send_expect_100", "1"]])
@asynctest
async def test_ffmpeg_publishes_over_http(shared: Cluster, options):
    a, b = shared["a"], shared["b"]
    key = "live/http" + "".join(options).replace("_", "")
    urls = f"{a.http}/{key}.flv?wait=10", f"{b.rtmp}/{key}?wait=10"
    target = ("-t", "2", "-f", "flv", *options, f"{a.http}/{key}.flv")
    async with program(*TEST_SOURCE, *target) as ffmpeg, playing(*urls) as players:
        for player in players:
            await player.has(100)
        assert await ffmpeg.wait() == 0, (await ffmpeg.stdout.read()).decode()


@asynctest
async def test_ffmpeg_that_expects_100_continue_hears_of_a_refusal(shared: Cluster):
    a, b = shared["a"], shared["b"]
    async with publishing(f"{a.rtmp}/live/mine", synthetic.stream(20)):
        await asyncio.sleep(0.5)
        target = ("-f", "flv", "-send_expect_100", "1", f"{b.http}/live/mine.flv")
        code, output = await run(*TEST_SOURCE, "-t", "3", *target)
    assert code != 0 and "409" in output, output


@asynctest
async def test_curl_uploads_a_file_and_plays_it_back(shared: Cluster, tmp_path: Path):
    a, path = shared["a"], tmp_path / "a.flv"
    tags = list(synthetic.stream(3))
    path.write_bytes(flv.HEADER + b"".join(tag.encode() for tag in tags))
    async with playing(f"{a.http}/live/curl.flv?wait=10") as (player,):
        code, output = await run("curl", "-sS", "--fail", "-T", str(path), f"{a.http}/live/curl.flv")
        assert code == 0, output
        await player.receives(tags[-1])
    assert compare(tags, player).faithful
