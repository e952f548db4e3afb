"""`make demo`: three nodes and a stream that outlives the one it is published to, gone without a trace on Ctrl-C."""

import asyncio
import re
import signal
import sys

import psutil

from tests.e2e.cluster import ROOT
from tests.e2e.player import playing
from tests.e2e.programs import program
from tests.e2e.tasks import asynctest


@asynctest
async def test_the_demo_streams_whatever_becomes_of_a_until_it_is_stopped_and_leaves_nothing_behind():
    async with program(sys.executable, str(ROOT / "tools" / "demo")) as demo, asyncio.timeout(30):
        told = (await demo.stdout.readuntil(b"Ctrl-C")).decode()
        children = psutil.Process(demo.pid).children(recursive=True)
        assert len(children) == 3
        pages = re.findall(r"(http://\S+)/watch/(\S+)", told)
        assert len(pages) == 3
        urls = [f"{node}/{stream}.flv?wait=10" for node, stream in pages] + re.findall(r"rtmp://\S+/demo\b", told)
        async with playing(*urls) as players:
            for player in players:
                await player.has(60)
            next(child for child in children if "node.name=a" in child.cmdline()).kill()
            for player in players[-2:]:
                await player.has(len(player.frames) + 150)
        demo.send_signal(signal.SIGINT)
        assert await demo.wait() == 0, (await demo.stdout.read()).decode()
    assert not [child for child in children if child.is_running()]
