"""Publishers and players that come back, to the next node, whenever they are sent away: what people's programs do."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from itertools import cycle, pairwise, takewhile

from tests.e2e.compare import Comparison, compare
from tests.e2e.flv import Tag
from tests.e2e.player import Arrival, Player
from tests.e2e.publisher import HTTPIngest, Ingest, RTMPIngest
from tests.e2e.rtmp import Refused

AGAIN_S = 0.2
"""Between two attempts."""
SILENT_S = 5.0
"""After which a program gives up a connection over which nothing comes."""
FAILURES = (Refused, OSError, asyncio.IncompleteReadError, TimeoutError)


class RoamingPublisher:
    """An encoder that never stops: what falls due while no node takes it is lost, up to the next keyframe."""

    def __init__(self, urls: Sequence[str], tags: Iterable[Tag]) -> None:
        self.sent: list[Tag] = []
        """All that was handed to a node; the last before each new connection may not have arrived."""
        self.connections = 0
        self._urls = cycle(urls)
        self._tags = tags
        self._headers: list[Tag] = []
        self._began = time.perf_counter()

    async def run(self) -> None:
        """Publish until there are no more frames. Two that were made at once send the same at the same time."""
        ingest: Ingest | None = None
        opening = asyncio.create_task(self._open())
        try:
            for tag in self._tags:
                await asyncio.sleep(self._began + tag.timestamp / 1000 - time.perf_counter())
                if tag.config:
                    self._headers.append(tag)
                elif ingest is None and tag.keyframe and opening.done():
                    ingest = opening.result()
                    await self._send(ingest, *self._headers, tag)
                elif ingest and not await self._send(ingest, tag):
                    ingest.close()
                    ingest, opening = None, asyncio.create_task(self._open())
        finally:
            opening.cancel()
            if ingest:
                ingest.close()

    async def _open(self) -> Ingest:
        """The next node that agrees."""
        for url in self._urls:
            try:
                kind = RTMPIngest if url.startswith("rtmp:") else HTTPIngest
                async with asyncio.timeout(SILENT_S):
                    ingest: Ingest = await kind.open(url)
                self.connections += 1
                return ingest
            except FAILURES:
                await asyncio.sleep(AGAIN_S)
        raise AssertionError("no URL")

    async def _send(self, ingest: Ingest, *tags: Tag) -> bool:
        try:
            for tag in tags:
                async with asyncio.timeout(SILENT_S):
                    await ingest.send(tag)
                self.sent.append(tag)
        except FAILURES:
            return False
        return True


def sent_by(publishers: Iterable[RoamingPublisher], tags: Iterable[Tag]) -> list[Tag]:
    """What any of these sent of the same tags, in their order."""
    known = {tag for publisher in publishers for tag in publisher.sent}
    last = max(tag.timestamp for tag in known)
    return [tag for tag in takewhile(lambda tag: tag.timestamp <= last, tags) if tag in known]


class RoamingPlayer:
    """A player that reconnects, to the node after, when it is closed or nothing comes."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.sessions: list[Player] = []
        """One for each connection."""
        self._urls = cycle(urls)

    @property
    def arrivals(self) -> list[Arrival]:
        """Everything received."""
        return [arrival for session in self.sessions for arrival in session.arrivals]

    @property
    def disconnects(self) -> int:
        """How often it lost its node."""
        return sum(session.ended for session in self.sessions)

    def longest_stall_s(self, since: float = 0.0) -> float:
        """The longest without a frame, reconnecting included."""
        times = [arrival.at for arrival in self.arrivals if arrival.at >= since]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def reports(self, sent: Sequence[Tag]) -> list[Comparison]:
        """What each session received, from its first frame to its last."""
        places = {tag.payload: place for place, tag in enumerate(sent)}
        headers = [(place, tag) for place, tag in enumerate(sent) if tag.config]
        reports = []
        for session in filter(lambda session: session.frames, self.sessions):
            first = places.get(session.frames[0].payload, 0)
            last = places.get(session.frames[-1].payload, len(sent))
            before = [tag for place, tag in headers if place < first]
            # Of hours of frames a session of seconds needs no more than its own.
            reports.append(compare([*before, *sent[first : last + 1]], session))
        return reports

    async def run(self) -> None:
        """Play until cancelled."""
        for url in self._urls:
            session = Player(url)
            self.sessions.append(session)
            running = asyncio.create_task(session.run())
            try:
                while not running.done():
                    received = len(session.arrivals)
                    await asyncio.wait([running], timeout=SILENT_S)
                    if len(session.arrivals) == received:
                        break
            finally:
                running.cancel()
                await asyncio.wait([running])
            await asyncio.sleep(AGAIN_S)
