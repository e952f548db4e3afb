"""What is published arrives: every frame, once, in order, with its bytes and its spacing."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import flv, synthetic
from tests.e2e.cluster import Cluster, wait_until
from tests.e2e.compare import assert_faithful, compare
from tests.e2e.crowd import play
from tests.e2e.flv import VIDEO, Tag
from tests.e2e.player import playing
from tests.e2e.programs import TEST_SOURCE, probe, program
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

CROWD = 250
"""Of each protocol."""


def read_flv(path: Path) -> list[Tag]:
    return flv.Reader().feed(path.read_bytes())


def recording_to(url: str, path: Path, seconds: float) -> list[str]:
    """ffmpeg publishes, and writes the very same packets to a file."""
    outputs = f"[f=flv]{url}|[f=flv:flvflags=no_duration_filesize]{path}"
    return [
        *TEST_SOURCE,
        "-t",
        str(seconds),
        "-flags",
        "+global_header",
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-f",
        "tee",
        outputs,
    ]


def assert_part_of(sent: list[Tag], rows: list[list[str]]) -> None:
    """What ffprobe saw of the video is a piece of what was sent: sizes, and how dts and pts go on."""
    pictures = [tag for tag in sent if tag.kind == VIDEO and not tag.config and not tag.end]
    first = pictures[0].timestamp
    expected = [(len(tag.payload) - 5, tag.timestamp - first, tag.timestamp + tag.cts - first) for tag in pictures]
    packets = [(int(size), int(dts), int(pts)) for kind, pts, dts, size in rows if kind == "video"]
    sizes = [size for size, _, _ in expected]
    assert len(packets) > 20
    place = next(p for p in range(len(sizes)) if sizes[p : p + len(packets)] == [size for size, _, _ in packets])
    shift = packets[0][1] - expected[place][1]
    assert packets == [(size, dts + shift, pts + shift) for size, dts, pts in expected[place : place + len(packets)]]
    assert any(pts != dts for _, dts, pts in packets), "no B-frames"


@asynctest
async def test_every_player_on_every_node_gets_every_frame_that_ffmpeg_publishes(shared: Cluster, tmp_path: Path):
    a, b, c = shared["a"], shared["b"], shared["c"]
    path = tmp_path / "sent.flv"
    async with program(*recording_to(f"{a.rtmp}/live/ffmpeg", path, 7)) as ffmpeg:
        await asyncio.sleep(1.5)
        urls = [f"{a.http}/live/ffmpeg.flv?wait=5", f"{b.http}/live/ffmpeg.flv?wait=5"]
        urls += [f"{c.http}/live/ffmpeg.flv?redirect=0&wait=5", f"{a.rtmp}/live/ffmpeg?wait=5"]
        rows = ("-show_entries", "packet=codec_type,pts,dts,size", "-read_intervals", "%+#100")
        async with playing(*urls * 3) as players:
            for player in players:
                await player.has(1)
            on_b = [f"{b.rtmp}/live/ffmpeg", f"{c.rtmp}/live/ffmpeg", f"{b.ws}/live/ffmpeg.flv"]
            async with playing(*on_b) as more:
                probed = [await probe(url, *rows) for url in [urls[0], urls[1], urls[2], on_b[0]]]
                assert await ffmpeg.wait() == 0, (await ffmpeg.stdout.read()).decode()
                sent = read_flv(path)
                last = [tag for tag in sent if not tag.config and not tag.end][-1]
                for player in players + more:
                    await player.receives(last)
    for player in players + more:
        report = compare(sent, player)
        assert report.faithful and report.joined.keyframe, f"{player.url}: {report}"
        assert len(report.shifts) == 1 and report.received > 100
    for player in players:
        redirected = player.url.startswith(b.http)
        assert len(player.hops) == 1 + redirected
        assert not redirected or (player.hops[1].startswith(a.http) and "via=" in player.hops[1])
    for seen in probed:
        assert_part_of(sent, seen)


@asynctest
async def test_ffmpegs_readers_among_a_crowd_see_what_was_sent(shared: Cluster, tmp_path: Path):
    a, path, name = shared["a"], tmp_path / "sent.flv", "live/crowd"
    async with program(*recording_to(f"{a.rtmp}/{name}", path, 12)) as ffmpeg:
        await asyncio.sleep(1.5)
        urls = f"{a.http}/{name}.flv?redirect=0", f"{a.rtmp}/{name}"
        crowds = [asyncio.create_task(play(url, "-n", f"{CROWD}", "--seconds", "5")) for url in urls]
        await asyncio.to_thread(wait_until, lambda: a.stream(name)["players"] >= 2 * CROWD, "all of them are there")
        rows = ("-show_entries", "packet=codec_type,pts,dts,size", "-read_intervals", "%+#100")
        probed = await asyncio.gather(*(probe(url, *rows) for url in urls))
        reports = await asyncio.gather(*crowds)
        assert await ffmpeg.wait() == 0, (await ffmpeg.stdout.read()).decode()
    assert [(report["joined"], report["errors"]) for report in reports] == [(CROWD, {})] * 2
    for seen in probed:
        assert_part_of(read_flv(path), seen)


STREAMS = [
    ("both", {}, (True, True)),
    ("audio", {"video": False}, (True, False)),
    ("video", {"audio": False}, (False, True)),
]


@pytest.mark.parametrize("scheme", ["rtmp", "http"])
@pytest.mark.parametrize("name, tracks, promised", STREAMS)
@asynctest
async def test_a_stream_may_have_sound_or_pictures_or_both(shared: Cluster, scheme, name, tracks, promised):
    a, b, c = shared["a"], shared["b"], shared["c"]
    key = f"live/{name}-{scheme}"
    async with publishing(f"{getattr(a, scheme)}/{key}", synthetic.stream(4, **tracks), pace=2) as publisher:
        await asyncio.sleep(0.7)
        query = "wait=5&redirect=0"
        urls = [f"{a.http}/{key}.flv?{query}", f"{b.rtmp}/{key}?wait=5", f"{c.ws}/{key}.flv?{query}"]
        async with playing(*urls) as players:
            await publisher.done()
            await assert_faithful(publisher, players)
    assert players[0].promised == promised


@asynctest
async def test_timestamps_may_pass_the_end_of_their_32_bits(shared: Cluster):
    a, c = shared["a"], shared["c"]
    tags = synthetic.stream(3, start_ms=(1 << 32) - 1500)
    async with publishing(f"{a.rtmp}/live/wrap", tags) as publisher:
        urls = [f"{node.http}/live/wrap.flv?wait=5&redirect=0" for node in (a, c)]
        async with playing(*urls, f"{c.rtmp}/live/wrap?wait=5") as players:
            await publisher.done()
            await assert_faithful(publisher, players)


@asynctest
async def test_the_codecs_of_enhanced_rtmp_are_carried_untouched(shared: Cluster):
    a, c = shared["a"], shared["c"]
    tags = synthetic.enhanced(synthetic.stream(3))
    async with publishing(f"{a.rtmp}/live/enhanced", tags, pace=2) as publisher:
        async with playing(
            f"{c.http}/live/enhanced.flv?wait=5&redirect=0", f"{c.rtmp}/live/enhanced?wait=5"
        ) as players:
            await publisher.done()
            await assert_faithful(publisher, players)
        row = a.stream("live/enhanced")
    assert row and row["video"].startswith("hevc") and row["audio"].startswith("opus")


@pytest.mark.parametrize("method, expect", [("POST", False), ("POST", True), ("PUT", False), ("PUT", True)])
@asynctest
async def test_flv_may_be_posted_or_put_with_and_without_expect(shared: Cluster, method, expect):
    url = f"{shared['a'].http}/live/{method}-{expect}.flv"
    tags = synthetic.stream(1.5)
    async with publishing(url, tags, method=method, expect=expect) as publisher, playing(f"{url}?wait=5") as players:
        await publisher.done()
        await assert_faithful(publisher, players)
        await publisher.end()
