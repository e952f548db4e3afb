"""Chromium without a window, driven through its DevTools protocol."""

import asyncio
import base64
import shutil
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.http import get_json

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--no-proxy-server"]
START_S = 30.0


class Page:
    """The one page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.errors: list[str] = []
        """Exceptions that the page's scripts did not catch."""

    async def call(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json()
            if message.get("method") == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", details).get("description", details["text"]))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]

    async def open(self, url: str) -> None:
        """Go there; does not wait for it to load."""
        await self.call("Page.enable")
        await self.call("Runtime.enable")
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, patience_s: float = 20.0) -> Any:
        """Look every 100 ms until the expression is truthy; return it."""
        for _ in range(int(patience_s * 10)):
            if value := await self.evaluate(expression):
                return value
            await asyncio.sleep(0.1)
        raise AssertionError(f"{expression} is still {value!r} after {patience_s} s; errors: {self.errors}")

    async def screenshot(self) -> bytes:
        """What it looks like, as PNG."""
        picture = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(picture["data"])


@asynccontextmanager
async def browser(width: int = 1280, height: int = 900, *options: str) -> AsyncIterator[Page]:
    """A browser with one empty page, ended with the block."""
    assert CHROMIUM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        size = f"--window-size={width},{height}"
        command = [CHROMIUM, *OPTIONS, size, f"--user-data-dir={profile}", *options, "about:blank"]
        process = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL)
        try:
            port = await _started(Path(profile))
            pages = await get_json(f"http://127.0.0.1:{port}/json/list")
            (url,) = [page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"]
            async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            await process.wait()


async def _started(profile: Path) -> int:
    for _ in range(int(START_S * 20)):
        if port := _port(profile / "DevToolsActivePort"):
            return port
        await asyncio.sleep(0.05)
    raise AssertionError(f"chromium did not start within {START_S} s")


def _port(path: Path) -> int | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return int(lines[0]) if lines else None
