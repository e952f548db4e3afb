"""Programs that others wrote: ffmpeg, ffprobe, rtmpdump, GStreamer."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.e2e.http import PATIENCE_S

TEST_SOURCE = (
    *("ffmpeg", "-nostdin", "-v", "warning", "-y", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25"),
    *("-re", "-f", "lavfi", "-i", "sine=frequency=440:beep_factor=4:sample_rate=48000"),
    *("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-threads", "1"),
    *("-c:a", "aac", "-b:a", "96k", "-ac", "2"),
)
"""ffmpeg, encoding in real time with B-frames and a keyframe each second; what follows says where to."""


@asynccontextmanager
async def program(*command: str) -> AsyncIterator[Process]:
    """A program for as long as the block takes; what it writes is on `stdout`."""
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), PATIENCE_S)
        finally:
            if process.returncode is None:
                process.kill()


async def run(*command: str, patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Exit code and output of a program that ends by itself."""
    async with program(*command) as process, asyncio.timeout(patience_s):
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode(errors="replace")


async def probe(url: str, *options: str) -> list[list[str]]:
    """What `ffprobe -show_packets -of csv` says in its rows."""
    command = ("ffprobe", "-v", "error", *options, "-of", "csv=p=0", url)
    code, output = await run(*command, patience_s=2 * PATIENCE_S)
    assert code == 0, f"{' '.join(command)}: {output[-1000:]}"
    return [line.split(",") for line in output.splitlines() if line]
