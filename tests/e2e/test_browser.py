"""The pages, in a real browser."""

import asyncio
from itertools import islice, takewhile

import pytest

from mesh.net import testcard
from tests.e2e.browser import CHROMIUM, browser
from tests.e2e.cluster import Cluster
from tests.e2e.flv import Tag
from tests.e2e.publisher import publishing
from tests.e2e.tasks import asynctest

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def card() -> list[Tag]:
    tags = (Tag(*tag) for tag in testcard.tags(640, 360, kbps=600))
    return list(takewhile(lambda tag: tag.timestamp < 40000, islice(tags, 5000)))


@asynctest
async def test_a_browser_plays_a_stream_through_a_redirect(shared: Cluster, card):
    a, b = shared["a"], shared["b"]
    async with publishing(f"{a.rtmp}/live/page", card), browser() as page:
        await page.open(f"{b.http}/watch/live/page")
        began = await page.until("document.querySelector('video')?.currentTime")
        await page.until(f"document.querySelector('video').currentTime > {began + 3}")
        assert await page.evaluate("document.querySelector('video').videoWidth") == 640
        facts = await page.evaluate("document.getElementById('facts').innerText")
        assert "Served by\na" in facts and "640 \u00d7 360" in facts and "Stalls\nnone" in facts, facts
        assert not page.errors


@asynctest
async def test_the_page_of_a_stream_that_is_not_live_waits_for_it(shared: Cluster, card):
    a = shared["a"]
    async with browser() as page:
        await page.open(f"{a.http}/watch/live/later")
        await page.until("document.getElementById('message')?.textContent")
        async with publishing(f"{a.rtmp}/live/later", card):
            await page.until("document.querySelector('video').currentTime > 1")
            assert await page.evaluate("document.getElementById('message').hidden")


@asynctest
async def test_the_dashboard_shows_nodes_streams_and_their_relay_tree(shared: Cluster, card):
    a, b = shared["a"], shared["b"]
    async with publishing(f"{a.rtmp}/live/shown", card), browser() as page:
        await page.open(f"{b.http}/watch/live/shown")
        await page.until("document.querySelector('video')?.currentTime > 0")
        await page.open(f"{b.http}/")
        await page.until("document.body?.innerText.includes('live/shown')")
        text = await page.evaluate("document.body.innerText")
        assert "h264 640x360" in text and "3 nodes" in text
        links = await page.evaluate("[...document.querySelectorAll('#nodes a')].map(a => a.textContent).join()")
        assert links == "a,b,c"
        assert not page.errors


@asynctest
async def test_a_page_goes_on_at_another_node_when_its_own_stops(cluster: Cluster, card):
    a, b = cluster.start("a", "b", balance__redirect="false")
    async with publishing(f"{a.rtmp}/live/page", card), browser() as page:
        await page.open(f"{b.http}/watch/live/page")
        await page.until("document.querySelector('video')?.currentTime > 1")
        await asyncio.to_thread(b.stop)
        await page.until("document.getElementById('facts').innerText.includes('Served by\\na')")
        await page.until("document.querySelector('video').currentTime > 1 && document.getElementById('message').hidden")
        assert not page.errors


@asynctest
async def test_a_page_stays_connected_while_the_publisher_is_away(cluster: Cluster, card):
    (a,) = cluster.start("a")
    async with browser() as page:
        async with publishing(f"{a.rtmp}/live/page", card):
            await page.open(f"{a.http}/watch/live/page")
            await page.until("document.querySelector('video')?.currentTime > 1")
        await page.until("document.getElementById('message').textContent.startsWith('The publisher is gone')")
        async with publishing(f"{a.rtmp}/live/page", card):
            await page.until("document.getElementById('message').hidden")
            assert "Reconnected\nnever" in await page.evaluate("document.getElementById('facts').innerText")
        assert not page.errors
