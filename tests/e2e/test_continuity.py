"""Every fault on a star of replicas and on a chain of them: what each player lost, counted frame by frame."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.e2e import synthetic
from tests.e2e.cluster import PATIENCE_S, Cluster, Node, eventually
from tests.e2e.flv import Tag
from tests.e2e.network import HERE, Network, available
from tests.e2e.roaming import RoamingPlayer, RoamingPublisher, sent_by
from tests.e2e.shape import KEY, SETTINGS, SHAPES, fed, playing_in, url
from tests.e2e.tasks import asynctest, running

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not available(), reason="needs root, and /dev/net/tun")]

FRESH = 100
"""Frames that a player must have got since the fault: some two seconds."""
LASTS_S = 100
ALIGNED_S = 5.0
"""What two GOPs of a second publisher, and its joining before them, take."""


@dataclass
class Scene:
    """A leader a, and its replicas b, c and d."""

    network: Network
    nodes: dict[str, Node]


def source_killed(scene: Scene) -> None:
    scene.nodes["b"].kill()


def source_stopped(scene: Scene) -> None:
    scene.nodes["b"].signal(signal.SIGSTOP)


def source_drained(scene: Scene) -> None:
    scene.nodes["b"].signal(signal.SIGTERM)


def link_cut(scene: Scene) -> None:
    scene.network.cut("c", ["a", "b"])


def link_reset(scene: Scene) -> None:
    scene.network.reset("c", ["a", "b", "d"])


def link_held(scene: Scene) -> None:
    scene.network.shape("c", ["a", "b"], held=True)
    time.sleep(1)
    scene.network.heal()


def link_thin(scene: Scene) -> None:
    scene.network.shape("c", ["a", "b", "d"], rate_kbps=150)
    time.sleep(6)
    scene.network.heal()


def publisher_returned(scene: Scene) -> None:
    scene.network.reset(HERE, "a")  # to the same node, or the next if that is not ready for it


def publisher_silent(scene: Scene) -> None:
    scene.network.shape(HERE, "a", held=True)


def leader_killed(scene: Scene) -> None:
    scene.nodes["a"].kill()


def leader_drained(scene: Scene) -> None:
    scene.nodes["a"].signal(signal.SIGTERM)


def leader_stopped(scene: Scene) -> None:
    scene.nodes["a"].signal(signal.SIGSTOP)


def leader_cut_off(scene: Scene) -> None:
    scene.network.cut("a", scene.network.hosts)


def leader_switched(scene: Scene) -> None:
    assert scene.nodes["b"].post(f"/api/v1/streams/{KEY}/switch?node=d")[0] == 200


Fault = Callable[[Scene], None]
"""It may take its time: publishers and players go on meanwhile."""
LEADER_LOST = (leader_killed, leader_drained, leader_stopped, leader_cut_off)
FAULTS: list[tuple[Fault, str, int]] = [
    *((fault, "b", 1) for fault in (source_killed, source_stopped, source_drained)),
    *((fault, "", 1) for fault in (link_cut, link_reset, link_held, link_thin, publisher_returned)),
    *((fault, "a", copies) for fault in LEADER_LOST for copies in (1, 2)),
    (publisher_silent, "a", 2),
    (leader_switched, "", 2),
]
"""What happens, whose players do not count, and to how many nodes the stream is published."""
WAITS_S = {
    source_killed: 0.5,
    source_stopped: 2.0,
    source_drained: 0.5,
    link_cut: 2.0,
    link_reset: 2.0,
    link_held: 2.0,
    publisher_silent: 6.0,  # for `stream.silence_s` he may come back
}
"""For how long somebody may stand still where nobody may lose a frame; no other fault promises anything."""
WAIT_FOR_STANDBY_S = 1.0
"""The same where another publisher is there."""


until = partial(eventually, patience_s=3 * PATIENCE_S)


class Cost(NamedTuple):
    """What a fault cost whoever it cost the most."""

    lost: int
    stall_s: float
    step_ms: int
    """The longest between the timestamps of two frames."""
    disconnects: int
    """Of all players."""

    def __str__(self) -> str:
        lost, stall_s, step_ms, disconnects = self
        return f"lost {lost}, stall {stall_s:.2f} s, longest step {step_ms} ms, {disconnects} disconnected"


Judge = Callable[[list[RoamingPlayer], list[Tag], float], Cost]


async def played_on(players: Iterable[RoamingPlayer]) -> None:
    """Wait until each has got some frames more."""
    wanted = [(player, len(player.arrivals) + FRESH) for player in players]
    await until(lambda: all(len(player.arrivals) > count for player, count in wanted), "they play on")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fault, spared, copies", FAULTS)
@asynctest(400)
async def test_what_a_fault_costs_each_player(tmp_path: Path, capsys, shape, fault, spared, copies):
    frames = list(synthetic.stream(LASTS_S))
    cost = await trial(tmp_path, SHAPES[shape], fault, spared, copies, frames, verdict)
    with capsys.disabled():
        print(f"\n{fault.__name__.replace('_', ' ')}, {shape}, {copies}: {cost}")
    assert_bounded(cost, WAITS_S.get(fault, WAIT_FOR_STANDBY_S if copies > 1 else None))


@pytest.mark.parametrize("shape", SHAPES)
@asynctest(400)
async def test_a_still_picture_and_silence_go_on_as_they_were(tmp_path: Path, capsys, shape):
    frames = list(synthetic.still(synthetic.stream(LASTS_S)))
    cost = await trial(tmp_path, SHAPES[shape], leader_killed, "a", 2, frames, verdict_by_time)
    with capsys.disabled():
        print(f"\nleader killed, {shape}, 2, a still picture and silence: {cost}")
    assert_bounded(cost, WAIT_FOR_STANDBY_S)


def assert_bounded(cost: Cost, wait_s: float | None) -> None:
    """No frame is lost, nobody stands still for longer, and nobody is disconnected, where that is promised."""
    if wait_s is not None:
        assert (cost.lost, cost.disconnects) == (0, 0) and cost.stall_s <= wait_s, cost


def verdict_by_time(players: list[RoamingPlayer], sent: list[Tag], since: float) -> Cost:
    """The same where payloads repeat: no two frames are alike if their times are taken for a part of them."""
    for session in (session for player in players for session in player.sessions):
        session.arrivals = [arrival._replace(tag=stamped(arrival.tag)) for arrival in session.arrivals]
    return verdict(players, [stamped(tag) for tag in sent], since)


def stamped(tag: Tag) -> Tag:
    return tag if tag.config else tag._replace(payload=b"%b at %d" % (tag.payload, tag.timestamp))


async def trial(
    directory: Path, shape: dict[str, str], fault: Fault, spared: str, copies: int, frames: list[Tag], judge: Judge
) -> Cost:
    """Let it happen; what that cost the players that count, by all of what was sent, and since when."""
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(*"abcd"))
        settings = {"stream__standby": "true", "stream__hold_s": "10"} | SETTINGS["chain"]
        cluster = stack.enter_context(Cluster(directory, network, **settings))
        nodes = cluster.start(*"abcd")
        urls = [f"{node.rtmp}/{KEY}" for node in nodes]
        publishers = [RoamingPublisher(order, frames) for order in (urls, urls[3:] + urls[:3])[:copies]]
        await stack.enter_async_context(running(publishers[0].run()))
        joining = playing_in(shape, network, cluster, lambda node: RoamingPlayer([url(node)]))
        players = await stack.enter_async_context(joining)
        if copies > 1:
            await stack.enter_async_context(running(publishers[1].run()))
            await until(lambda: nodes[0].stream(KEY)["standby"], "another waits")
            await asyncio.sleep(ALIGNED_S)
        counted = [player for name, player in players.items() if name != spared]
        assert await asyncio.to_thread(fed, nodes[0]) == shape
        before = max(player.arrivals[-1].at for player in counted)
        await asyncio.to_thread(fault, Scene(network, cluster.nodes))
        await played_on(counted)
        cost = judge(counted, sent_by(publishers, frames), before)
        network.heal()
        for node in nodes:
            node.signal(signal.SIGCONT)
    return cost


def verdict(players: list[RoamingPlayer], sent: list[Tag], since: float) -> Cost:
    """What the players saw of it, and that nothing came twice, in disorder or unsent."""
    reports = [report for player in players for report in player.reports(sent)]
    for report in reports:
        assert not (report.doubled or report.disordered or report.unknown), report
        assert report.longest_step_ms >= 0, report
    return Cost(
        lost=max(len(report.lost) for report in reports),
        stall_s=max(player.longest_stall_s(since - 1) for player in players),
        step_ms=max(report.longest_step_ms for report in reports),
        disconnects=sum(player.disconnects for player in players),
    )
