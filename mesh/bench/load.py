"""Load: many clients of one kind: let in, watched for a while, and counted."""

import resource
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from mesh.bench.clip import Clip
from mesh.bench.loop import Loop
from mesh.bench.player import Player
from mesh.bench.process import Cost, cost
from mesh.bench.publisher import Feed, Publisher
from mesh.bench.report import Report, spread

PATIENCE_S = 20.0
"""How long clients may take to join, once the last has begun."""
STEP_S = 0.5
"""How often somebody hears how it goes."""

Heard = Callable[[str], None]
"""Hears how it goes, in a few words."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load is to do."""

    urls: Sequence[str]
    """One for each client."""
    seconds: float = 10.0
    """To measure."""
    ramp_s: float = 0.0
    """Over which clients begin, evenly; none waits for another."""
    settle_s: float = 2.0
    """Between the last join and the measurement."""
    pid: int | None = None
    """The server's process."""


def play(plan: Plan, probes: int, lazy_kbps: int | None, hear: Heard) -> Report:
    """Play each URL; the first `probes` players read everything, the others no faster than `lazy_kbps`."""
    loop = Loop()
    players: list[Player] = []

    def join(number: int) -> None:
        players.append(Player(loop, plan.urls[number], number < probes, lazy_kbps))

    begun = _begin(loop, plan, join)
    _until_all(loop, plan, begun, lambda: sum(bool(player.keyframe_at or player.error) for player in players), hear)
    before, after, seconds = _measured(loop, plan, players, hear)
    joined = [player for player in players if player.keyframe_at]
    return Report(
        clients=len(plan.urls),
        seconds=seconds,
        joined=len(joined),
        redirects=sum(player.redirects for player in players),
        mbps=sum(player.bytes for player in joined) * 8e-6 / seconds,
        kbps=spread(player.bytes * 8e-3 / seconds for player in joined),
        first_byte_ms=spread((player.first_byte_at - player.began_at) * 1e3 for player in joined),
        keyframe_ms=spread((player.keyframe_at - player.began_at) * 1e3 for player in joined),
        gap_ms=spread(max(player.gap, monotonic() - player.arrived_at) * 1e3 for player in joined if not player.error),
        delay_ms=spread(delay * 1e3 for player in joined for delay in player.delays),
        errors=_errors(players),
        before=before,
        after=after,
    )


def publish(plan: Plan, clip: Clip, stamps: bool, chunk_size: int, hear: Heard) -> Report:
    """Publish the clip to each URL."""
    loop = Loop()
    publishers: list[Publisher] = []
    feed = Feed(clip, stamps)

    def join(number: int) -> None:
        publishers.append(Publisher(loop, plan.urls[number], feed, chunk_size))

    begun = _begin(loop, plan, join)
    _until_all(loop, plan, begun, lambda: sum(bool(one.accepted_at or one.error) for one in publishers), hear)
    before, after, seconds = _measured(loop, plan, publishers, hear)
    joined = [publisher for publisher in publishers if publisher.accepted_at]
    return Report(
        clients=len(plan.urls),
        seconds=seconds,
        joined=len(joined),
        redirects=sum(publisher.redirects for publisher in publishers),
        mbps=sum(publisher.bytes for publisher in joined) * 8e-6 / seconds,
        kbps=spread(publisher.bytes * 8e-3 / seconds for publisher in joined),
        first_byte_ms=spread((publisher.accepted_at - publisher.began_at) * 1e3 for publisher in joined),
        keyframe_ms=None,
        gap_ms=None,
        delay_ms=None,
        errors=_errors(publishers),
        before=before,
        after=after,
    )


def _begin(loop: Loop, plan: Plan, join: Callable[[int], None]) -> float:
    """Have all clients begin; return when the last will have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    now, count = monotonic(), len(plan.urls)
    for number in range(count):
        loop.at(now + plan.ramp_s * number / count, partial(join, number))
    return now + plan.ramp_s


def _until_all(loop: Loop, plan: Plan, begun: float, settled: Callable[[], int], hear: Heard) -> None:
    while (done := settled()) < len(plan.urls) and monotonic() < begun + PATIENCE_S:
        hear(f"{done} of {len(plan.urls)} joined")
        loop.run(monotonic() + STEP_S / 10)


def _measured(
    loop: Loop, plan: Plan, clients: Sequence[Player | Publisher], hear: Heard
) -> tuple[Cost | None, Cost | None, float]:
    """Let them be for a while; what the server cost meanwhile, and how long it really was."""
    loop.run(monotonic() + plan.settle_s)
    for client in clients:
        client.measure()
    began, before = monotonic(), cost(plan.pid) if plan.pid else None
    while monotonic() < began + plan.seconds:
        loop.run(min(began + plan.seconds, monotonic() + STEP_S))
        mbps = sum(client.bytes for client in clients) * 8e-6 / (monotonic() - began)
        closed = sum(bool(client.error) for client in clients)
        hear(f"{monotonic() - began:.0f} s, {mbps:.1f} Mb/s" + (f", {closed} closed" if closed else ""))
    return before, cost(plan.pid) if plan.pid else None, monotonic() - began


def _errors(clients: Sequence[Player | Publisher]) -> dict[str, int]:
    return dict(Counter(client.error for client in clients if client.error))
