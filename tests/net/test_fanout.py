import asyncio
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import uvloop

from mesh.config import EgressConfig
from mesh.media import flv
from mesh.media.frame import Frame, Kind
from mesh.net import fanout as module
from mesh.net.fanout import MAX_CONTROL, ROW, TURN_S, Fanout
from mesh.net.player import Player
from mesh.stream.log import START, Budget, StreamLog
from mesh.stream.rendition import FLV, TURN, WEBSOCKET_FLV, Rendition
from tests.net.asynctest import asynctest, until
from tests.stream.frames import AAC_HEADER, AVC_HEADER, begun, extend, keyframe, picture, roomy, sound, write

ANSWER = b"\xff\xee\xdd\xcc\xbb"
"""Control bytes; no FLV tag begins like them."""
SMALL = 4096
"""A socket buffer that a few frames fill."""


class Stage:
    """One stream, and a fan-out that is told of its frames."""

    def __init__(self, log: StreamLog | None = None, player_lag_s: float = 10, **egress: float) -> None:
        self.fanout = Fanout(EgressConfig(**egress), player_lag_s)
        self.log = begun(log or roomy())
        self.rendition = Rendition(self.log, FLV)
        self.viewers: list[Viewer] = []
        self.log.on_append = lambda: self.fanout.advanced(self.rendition)

    def viewer(self, buffer: int = 1 << 20, rendition: Rendition | None = None, farewell: bytes = b"") -> "Viewer":
        """Somebody who starts to play now."""
        viewer = Viewer(rendition or self.rendition, buffer, farewell)
        self.viewers.append(viewer)
        self.fanout.add(viewer.player)
        return viewer

    def level(self) -> bool:
        """Whether everybody has been handed everything."""
        return all(viewer.level() for viewer in self.viewers if not viewer.reasons)


class Viewer:
    """The client's end of a connection."""

    def __init__(self, rendition: Rendition, buffer: int, farewell: bytes) -> None:
        self.sock, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        theirs.setblocking(False)
        self.sock.setblocking(False)
        self.descriptor = theirs.fileno()
        self.reasons: list[str] = []
        self.got = bytearray()
        self.eof = False
        self.player = Player(theirs, rendition, self.reasons.append, lambda: farewell)

    def level(self) -> bool:
        """Whether everything has been sent to it."""
        return bool(self.player.row) and self.player.offset in (START, self.player.rendition.log.head)

    def read(self, size: int = 1 << 20) -> int:
        """Take what has come, at most `size` bytes."""
        try:
            data = self.sock.recv(size)
        except BlockingIOError:
            return 0
        self.eof = not data
        self.got += data
        return len(data)

    async def read_all(self, size: int = 1 << 20, pause_s: float = 0) -> None:
        """Read, `size` bytes at a time, until nothing comes any more."""
        while not self.eof:
            if self.read(size):
                await asyncio.sleep(pause_s)
            elif self.level() or self.reasons:
                return
            else:
                await asyncio.sleep(0.001)

    def media(self) -> list[flv.Tag]:
        """The frames that it got, without headers."""
        headers = AVC_HEADER, AAC_HEADER
        return [tag for tag in flv.Reader().feed(bytes(self.got)) if tag.payload not in headers]


@pytest.fixture(autouse=True)
def no_descriptor_is_left_open() -> Iterator[None]:
    uvloop.run(asyncio.sleep(0))  # the first loop of a process keeps some for the others
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before


def close(stage: Stage) -> None:
    """Everybody leaves; nobody's writability is watched any more."""
    for viewer in stage.viewers:
        stage.fanout.remove(viewer.player, "the test is over")
        viewer.sock.close()
        assert not asyncio.get_running_loop().remove_writer(viewer.descriptor)
        assert len(viewer.reasons) == 1
    assert len(stage.fanout) == 0


def tags(frames: list[Frame]) -> list[flv.Tag]:
    return [flv.Tag(Kind(frame.kind), frame.dts, frame.payload) for frame in frames]


def in_order(viewer: Viewer, frames: list[Frame]) -> bool:
    """Whether it got frames of these, whole, each at most once, in their order."""
    sent = {frame.payload: place for place, frame in enumerate(frames)}
    places = [sent[tag.payload] for tag in viewer.media()]
    return places == sorted(set(places))


# Who gets what


@asynctest
async def test_many_players_get_identical_bytes():
    stage = Stage()
    frames = extend(stage.log, 2)
    crowd = [stage.viewer() for _ in range(50)]
    for frame in write(stage.log, gop=10, count=40):
        frames.append(frame)
        await asyncio.sleep(0)
    await until(stage.level)
    for viewer in crowd:
        await viewer.read_all()
    assert len({bytes(viewer.got) for viewer in crowd}) == 1
    assert crowd[0].media() == tags(frames[50:])
    assert stage.fanout.sent == sum(len(viewer.got) for viewer in crowd)
    close(stage)


@asynctest
async def test_players_who_join_one_after_the_other_share_the_stream_from_there_on():
    stage = Stage()
    frames: list[Frame] = []
    for frame in write(stage.log, gop=10, count=40):
        frames.append(frame)
        await asyncio.sleep(0)
        stage.viewer()
    await until(stage.level)
    for viewer in stage.viewers:
        await viewer.read_all()
        begin = len(frames) - len(viewer.media())
        assert frames[begin].keyframe
        assert viewer.media() == tags(frames[begin:])
    close(stage)


@asynctest
async def test_a_player_of_a_stream_without_a_place_to_start_waits():
    stage = Stage()
    viewer = stage.viewer()
    stage.log.append(picture(stage.log.head, 0))
    await asyncio.sleep(0.02)
    assert (viewer.read(), viewer.player.offset, bool(viewer.player.row)) == (0, START, True)
    stage.log.append(keyframe(stage.log.head, 40))
    await until(viewer.read)
    assert bytes(viewer.got).startswith(flv.header(True, True))
    assert [tag.timestamp for tag in viewer.media()] == [40]
    close(stage)


@asynctest
async def test_renditions_and_streams_do_not_mix():
    stage, other = Stage(), begun(roomy())
    websocket, elsewhere = Rendition(stage.log, WEBSOCKET_FLV), Rendition(other, FLV)
    one, two, three = stage.viewer(), stage.viewer(rendition=websocket), stage.viewer(rendition=elsewhere)
    other.append(keyframe(other.head, 0))
    stage.fanout.advanced(elsewhere)
    frames = extend(stage.log, 1)
    stage.fanout.advanced(websocket)
    await until(lambda: one.read() + two.read() + three.read() == 0 and stage.level() and two.got and three.got)
    assert one.media() == tags(frames)
    assert two.got.startswith(b"\x82\x0dFLV")
    assert len(three.media()) == 1
    assert [stage.fanout.players(each) for each in (stage.rendition, websocket, elsewhere)] == [1, 1, 1]
    assert len(stage.fanout) == 3
    close(stage)


# Who reads slowly


@asynctest
async def test_who_reads_byte_by_byte_gets_everything_intact():
    stage = Stage()
    frames = extend(stage.log, 0.4, size=900)
    viewer = stage.viewer(SMALL)
    for step in write(stage.log, gop=100, size=900, count=10):
        frames.append(step)
        for _ in range(20):
            viewer.read(1)
            await asyncio.sleep(0)
    await viewer.read_all(1)
    assert viewer.media() == tags(frames)
    assert viewer.player.skips == 0
    close(stage)


@asynctest
async def test_who_stalls_falls_off_the_tail_and_goes_on_at_a_keyframe():
    stage = Stage(StreamLog("live/a", 1, 1 << 30, Budget(1 << 40)))
    frames = extend(stage.log, 1)
    viewer = stage.viewer(SMALL)
    frames += extend(stage.log, 10)
    await asyncio.sleep(0.02)
    assert not viewer.player.row
    await viewer.read_all()
    got = [tag.payload for tag in viewer.media()]
    places = [place for place, frame in enumerate(frames) if frame.payload in got]
    (jump,) = [place for place, after in pairwise(places) if after > place + 1]
    after = places[places.index(jump) + 1]
    assert in_order(viewer, frames)
    assert frames[after].keyframe
    assert frames[after].offset == stage.log.entry.offset
    assert viewer.player.skips == stage.fanout.skips == 1
    stream = [tag.payload for tag in flv.Reader().feed(bytes(viewer.got))]
    assert stream[stream.index(frames[after].payload) - 2 :][:2] == [AVC_HEADER, AAC_HEADER]
    close(stage)


@asynctest
async def test_whatever_speed_a_player_reads_at_frames_are_whole_and_in_order():
    chance = random.Random(7)
    stage = Stage(StreamLog("live/a", 1, 1 << 30, Budget(1 << 40)))
    viewers = [stage.viewer(SMALL) for _ in range(12)]
    frames: list[Frame] = []
    for frame in write(stage.log, gop=10, count=400):
        frames.append(frame)
        for speed, viewer in enumerate(viewers):
            if chance.random() < speed / 8:
                viewer.read(chance.choice([1, 50, 700, 5000]))
        await asyncio.sleep(0)
    for viewer in viewers:
        await viewer.read_all()
        assert in_order(viewer, frames)
        assert viewer.media()[-1] == tags(frames)[-1]
    assert viewers[0].player.skips > 0
    assert stage.fanout.skips == sum(viewer.player.skips for viewer in viewers)
    close(stage)


@asynctest
async def test_one_who_is_stuck_delays_nobody():
    stage = Stage()
    stuck, quick = stage.viewer(SMALL), stage.viewer()
    frames = []
    for frame in write(stage.log, count=200):
        frames.append(frame)
        await asyncio.sleep(0)
        quick.read()
    await quick.read_all()
    assert quick.media() == tags(frames)
    assert not stuck.player.row
    close(stage)


@asynctest
async def test_who_takes_no_byte_is_closed_and_who_takes_some_is_not(monkeypatch):
    monkeypatch.setattr(module, "SWEEP_S", 0.02)
    began = time.monotonic()
    stage = Stage(player_lag_s=0.5)
    sweep = asyncio.create_task(stage.fanout.sweep())
    extend(stage.log, 4, gop=1000, size=9000)
    stuck, slow, level = stage.viewer(SMALL), stage.viewer(SMALL), stage.viewer()
    while time.monotonic() < began + 1:
        slow.read(5000)
        level.read()
        await asyncio.sleep(0.01)
        if not stuck.reasons:
            stuck_s = time.monotonic() - began
    assert stuck_s >= 0.4
    assert stuck.reasons == ["took no byte for 0.5 s"]
    assert not slow.player.row
    assert (slow.reasons, level.reasons) == ([], [])
    sweep.cancel()
    close(stage)


@asynctest
async def test_who_takes_bytes_of_a_large_buffer_is_not_closed_while_the_kernel_wants_no_more(monkeypatch):
    monkeypatch.setattr(module, "SWEEP_S", 0.1)
    stage = Stage(player_lag_s=1)
    sweep = asyncio.create_task(stage.fanout.sweep())
    extend(stage.log, 400, gop=1000, size=9000)
    slow, stuck = stage.viewer(), stage.viewer()
    began = time.monotonic()
    while time.monotonic() < began + 3:
        slow.read(2000)  # the kernel wants more once in 1.4 s
        await asyncio.sleep(0.02)
    assert (slow.reasons, stuck.reasons) == ([], ["took no byte for 1 s"])
    sweep.cancel()
    close(stage)


@asynctest
async def test_a_joiner_gets_its_gop_in_turns():
    # Else one who joins a stream of long GOPs would hold up all the others.
    stage = Stage()
    extend(stage.log, 10, gop=1000, size=9000)
    fake = Recorder(stage.rendition)
    stage.fanout.add(fake.player)
    assert len(fake.sent) == 1
    await until(lambda: fake.player.offset == stage.log.head)
    assert len(fake.sent) > 10
    assert max(fake.sent) < TURN + 20_000
    stage.fanout.remove(fake.player, "done")


# Control bytes


def split(data: bytes) -> tuple[list[flv.Tag], int]:
    """The tags in a stream of tags with answers between them, and how many answers there are."""
    read, answers, at = [], 0, len(flv.header(True, True))
    while at < len(data):
        if data.startswith(ANSWER, at):
            answers, at = answers + 1, at + len(ANSWER)
            continue
        end = at + 11 + int.from_bytes(data[at + 1 : at + 4], "big") + 4
        read += flv.Reader().feed(flv.header(True, True) + data[at:end])
        at = end
    return read, answers


@asynctest
async def test_control_bytes_come_only_between_frames():
    chance = random.Random(3)
    stage = Stage()
    frames = extend(stage.log, 0.4, gop=100, size=2000)
    viewer = stage.viewer(SMALL)
    asked = 0
    for frame in write(stage.log, gop=100, size=2000, count=200):
        frames.append(frame)
        if chance.random() < 0.4:
            stage.fanout.control(viewer.player, ANSWER)
            asked += 1
        viewer.read(chance.randrange(1, 4000))
        await asyncio.sleep(0)
    await viewer.read_all()
    read, answers = split(bytes(viewer.got))
    assert [tag for tag in read if tag.payload not in (AVC_HEADER, AAC_HEADER)] == tags(frames)
    assert answers == asked
    close(stage)


@asynctest
async def test_an_answer_waits_for_no_frame():
    stage = Stage()
    waiting = stage.viewer()
    stage.fanout.control(waiting.player, ANSWER)
    assert waiting.read() == len(ANSWER)
    extend(stage.log, 0.4)
    playing = stage.viewer()
    await until(stage.level)
    playing.read()
    stage.fanout.control(playing.player, ANSWER)
    assert (playing.read(), bytes(playing.got[-5:])) == (len(ANSWER), ANSWER)
    close(stage)


@asynctest
async def test_an_answer_overtakes_what_is_behind_the_frame_that_is_being_sent():
    stage = Stage()
    extend(stage.log, 4, gop=1000, size=900)
    viewer = stage.viewer(SMALL)
    stage.fanout.control(viewer.player, ANSWER)
    sent = stage.fanout.sent
    await viewer.read_all()
    assert sent <= viewer.got.index(ANSWER) < sent + 1000 < 20_000
    close(stage)


@asynctest
async def test_who_asks_on_and_on_and_takes_no_answer_is_closed():
    stage = Stage()
    extend(stage.log, 1, size=3000)
    viewer = stage.viewer(SMALL)
    asked = 0
    while not viewer.reasons:
        stage.fanout.control(viewer.player, ANSWER * 100)
        asked += 1
        assert asked < 1000
    assert MAX_CONTROL < asked * len(ANSWER) * 100 < MAX_CONTROL + 1000
    assert viewer.reasons[0].endswith("bytes of answers unread")
    stage.fanout.control(viewer.player, ANSWER)
    close(stage)


# The end


@asynctest
async def test_when_the_stream_ends_all_get_the_rest_and_a_farewell():
    stage = Stage()
    frames = extend(stage.log, 2, gop=100, size=2000)
    level, behind = stage.viewer(farewell=b"BYE"), stage.viewer(SMALL, farewell=b"BYE")
    await until(lambda: level.player.row)
    frames += extend(stage.log, 1, gop=100)
    stage.fanout.end(stage.rendition)
    for viewer in level, behind:
        while not viewer.eof:
            viewer.read(5000)
            await asyncio.sleep(0)
        assert viewer.got.endswith(b"BYE")
        del viewer.got[-3:]
        assert viewer.media() == tags(frames)
        assert viewer.reasons == ["the stream ended"]
    assert stage.fanout.players(stage.rendition) == 0
    close(stage)


@asynctest
async def test_a_farewell_that_does_not_fit_is_finished():
    stage = Stage()
    extend(stage.log, 0.4)
    viewer = stage.viewer(SMALL, farewell=b"B" * 100_000)
    await viewer.read_all()
    stage.fanout.end(stage.rendition)
    while not viewer.eof:
        viewer.read()
        await asyncio.sleep(0)
    assert viewer.got.endswith(b"B" * 100_000)
    close(stage)


@asynctest
async def test_who_waits_for_a_stream_that_ends_gets_the_farewell():
    stage = Stage()
    viewer = stage.viewer(farewell=b"BYE")
    stage.fanout.end(stage.rendition)
    viewer.read()
    assert (viewer.got, viewer.reasons) == (b"BYE", ["the stream ended"])
    close(stage)


@asynctest
async def test_who_leaves_while_the_stream_flows_is_removed():
    stage = Stage()
    extend(stage.log, 1)
    gone, stays = stage.viewer(), stage.viewer()
    await until(stage.level)
    gone.sock.close()
    frames = extend(stage.log, 0.4)
    await until(lambda: gone.reasons)
    assert gone.reasons == ["Broken pipe"]
    await stays.read_all()
    assert stays.media()[-len(frames) :] == tags(frames)
    assert len(stage.fanout) == 1
    close(stage)


@asynctest
async def test_who_leaves_while_it_is_behind_is_removed():
    stage = Stage()
    extend(stage.log, 4, size=3000)
    gone = stage.viewer(SMALL)
    assert not gone.player.row
    gone.sock.close()
    await until(lambda: gone.reasons)
    close(stage)


@asynctest
async def test_who_has_left_before_the_first_byte_is_removed_at_once():
    stage = Stage()
    extend(stage.log, 1)
    viewer = Viewer(stage.rendition, SMALL, b"")
    viewer.sock.close()
    stage.fanout.add(viewer.player)
    assert viewer.reasons == ["Broken pipe"]
    assert len(stage.fanout) == 0


@asynctest
async def test_a_player_may_be_removed_twice_and_nothing_is_sent_to_it_any_more():
    stage = Stage()
    extend(stage.log, 1)
    viewer = stage.viewer()
    stage.fanout.remove(viewer.player, "kicked")
    stage.fanout.remove(viewer.player, "kicked again")
    stage.fanout.control(viewer.player, ANSWER)
    stage.fanout.end(stage.rendition)
    extend(stage.log, 1)
    await asyncio.sleep(0.02)
    assert viewer.reasons == ["kicked"]
    close(stage)


@asynctest
async def test_everybody_may_leave_in_the_middle_of_a_pass():
    stage = Stage()
    viewers = [stage.viewer() for _ in range(20)]
    extend(stage.log, 0.4)

    def take_all_along(reason: str) -> None:
        viewers[3].reasons.append(reason)
        for viewer in viewers:
            stage.fanout.remove(viewer.player, "with the others")

    viewers[3].player.on_close = take_all_along
    await until(stage.level)
    viewers[3].sock.close()
    extend(stage.log, 0.4)
    await until(lambda: viewers[3].reasons)
    assert len(stage.fanout) == 0
    frames = extend(stage.log, 0.4)
    late = stage.viewer()
    await until(late.read)
    assert late.media()[-len(frames) :] == tags(frames)
    close(stage)


# The pace; with a socket whose every send takes its time


class Recorder:
    """A socket that takes everything, slowly."""

    def __init__(self, rendition: Rendition, took_s: float = 0) -> None:
        self.sent: list[int] = []
        self.busy_s = 0.0
        self.took_s = took_s
        self._real, self._peer = socket.socketpair()
        self.player = Player(self, rendition, lambda reason: None)  # type: ignore[arg-type]

    def send(self, view: memoryview) -> int:
        began = time.monotonic()
        time.sleep(self.took_s)
        self.busy_s += time.monotonic() - began
        self.sent.append(len(view))
        return len(view)

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()
        self._peer.close()


async def crowd(stage: Stage, count: int, took_s: float, duration_s: float, every_s: float = 0.004) -> list[Recorder]:
    """So many players, whose sends take so long, of a stream with a frame each 4 ms."""
    stage.log.append(keyframe(stage.log.head, 0))
    recorders = [Recorder(stage.rendition, took_s) for _ in range(count)]
    for recorder in recorders:
        stage.fanout.add(recorder.player)
        recorder.sent.clear()
    until_s = time.monotonic() + duration_s
    while time.monotonic() < until_s:
        stage.log.append(sound(stage.log.head, stage.log.last_dts[Kind.VIDEO] + 4))
        await asyncio.sleep(every_s)
    return recorders


def leave(stage: Stage, recorders: list[Recorder]) -> None:
    for recorder in recorders:
        stage.fanout.remove(recorder.player, "done")


@asynctest
async def test_while_passes_are_short_each_frame_is_sent_at_once():
    stage = Stage()
    size = len(flv.encode(flv.Tag(Kind.AUDIO, 0, sound(0, 0).payload)))

    async def is_prompt() -> bool:
        recorders = await crowd(stage, 3, 0, 0.05)
        leave(stage, recorders)
        return all(recorder.sent.count(size) > 0.8 * len(recorder.sent) for recorder in recorders)

    # Another program that takes the CPU in the middle of a pass makes it long.
    assert any([await is_prompt() for _ in range(20)])
    assert not stage.fanout.full


@asynctest
async def test_when_passes_take_long_each_next_one_carries_more():
    stage = Stage()
    recorders = await crowd(stage, 10, 0.001, 0.5)
    size = len(flv.encode(flv.Tag(Kind.AUDIO, 0, sound(0, 0).payload)))
    for recorder in recorders:
        carried = sum(recorder.sent) / size / len(recorder.sent)
        assert carried > 3
    leave(stage, recorders)


@asynctest
async def test_a_long_pass_is_walked_in_turns_and_leaves_the_loop_its_share():
    stage = Stage()
    sends: list[int] = []

    async def tick() -> None:
        while True:
            sends.append(sum(len(recorder.sent) for recorder in recorders))
            await asyncio.sleep(0)

    began = time.monotonic()
    recorders = await crowd(stage, 40, 0.001, 0.1)
    ticker = asyncio.create_task(tick())
    for _ in range(5):
        await asyncio.sleep(0.1)
        stage.log.append(sound(stage.log.head, 10_000))
    await until(lambda: all(recorder.player.offset == stage.log.head for recorder in recorders))
    ticker.cancel()
    # No more sends between two ticks than fit into a turn and its last group, though a pass takes 40 ms.
    assert 1 < max(after - before for before, after in pairwise(sends)) < TURN_S / 0.001 + ROW
    assert sum(recorder.busy_s for recorder in recorders) < 0.6 * (time.monotonic() - began)
    leave(stage, recorders)


@asynctest
async def test_a_node_whose_passes_are_at_the_cap_is_full_until_they_are_not():
    stage = Stage(pass_max_ms=20)
    recorders = await crowd(stage, 15, 0.001, 0.2)
    seen = set()
    for _ in range(100):
        stage.log.append(sound(stage.log.head, 5000))
        seen.add(stage.fanout.full)
        await asyncio.sleep(0.001)
    assert seen == {True}
    leave(stage, recorders[1:])
    stage.log.append(sound(stage.log.head, 6000))
    await until(lambda: not stage.fanout.full)
    leave(stage, recorders)


@asynctest
async def test_a_node_that_everybody_has_left_is_not_full():
    stage = Stage(pass_max_ms=20)
    recorders = await crowd(stage, 15, 0.001, 0.2)
    assert stage.fanout.full
    leave(stage, recorders)
    assert not stage.fanout.full


@asynctest
async def test_a_frame_that_comes_during_a_pass_is_sent_by_the_next():
    stage = Stage()
    recorders = await crowd(stage, 4 * ROW, 0.001, 0)
    stage.log.append(sound(stage.log.head, 10))
    await until(lambda: any(recorder.player.offset == stage.log.head for recorder in recorders))
    assert not all(recorder.player.offset == stage.log.head for recorder in recorders)
    stage.log.append(sound(stage.log.head, 20))
    await until(lambda: all(recorder.player.offset == stage.log.head for recorder in recorders))
    leave(stage, recorders)


@asynctest
async def test_what_is_read_when_frames_are_awaited_goes_with_the_next_pass():
    stage = Stage(pass_min_ms=30)
    viewer = stage.viewer()
    stage.log.append(keyframe(stage.log.head, 0))
    await until(viewer.read)
    stage.log.append(sound(stage.log.head, 10))
    loop = asyncio.get_running_loop()
    loop.call_at(stage.fanout.awaits_at, lambda: stage.log.append(sound(stage.log.head, 20)))
    await until(viewer.read)
    assert viewer.media()[-1].timestamp == 20
    close(stage)


@asynctest
async def test_passes_are_no_closer_than_configured():
    stage = Stage(pass_min_ms=50)
    began = time.monotonic()
    recorders = await crowd(stage, 2, 0, 0.5)
    for recorder in recorders:
        assert 2 <= len(recorder.sent) <= (time.monotonic() - began) / 0.05 + 1
    leave(stage, recorders)


@asynctest
async def test_the_cap_bounds_the_pause_whatever_a_pass_took():
    stage = Stage(pass_max_ms=10)
    recorders = await crowd(stage, 20, 0, 0)
    began = time.monotonic()
    for recorder in recorders:
        recorder.took_s = 0.005
    for _ in range(60):
        stage.log.append(sound(stage.log.head, 10_000))
        await asyncio.sleep(0.01)
    # 100 ms of each 110; without the cap it would be 100 of each 300.
    assert sum(recorder.busy_s for recorder in recorders) > 0.5 * (time.monotonic() - began)
    leave(stage, recorders)


@asynctest
async def test_a_stream_that_nobody_plays_costs_no_pass():
    stage = Stage()
    made: list[Callable[[], None]] = []
    loop = asyncio.get_running_loop()
    loop.call_soon, kept = lambda *args, **kwargs: made.append(args[0]), loop.call_soon
    extend(stage.log, 1)
    loop.call_soon = kept
    assert made == []
