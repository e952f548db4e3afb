"""What a player received against what the publisher sent."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from tests.e2e.flv import AUDIO, META, VIDEO, Tag
from tests.e2e.player import Player
from tests.e2e.publisher import Publisher


@dataclass
class Comparison:
    """The differences; all of them empty for a player that saw everything from where it joined."""

    lost: list[int] = field(default_factory=list)
    """Places, in what was sent, of frames that never came, between the first that came and the last that was sent."""
    doubled: list[int] = field(default_factory=list)
    """Places of frames that came again."""
    disordered: list[int] = field(default_factory=list)
    """Places of frames that came after a later one."""
    unknown: list[Tag] = field(default_factory=list)
    """Frames and headers whose bytes were never sent."""
    shifts: set[int] = field(default_factory=set)
    """How far timestamps were moved; more than one value means that their spacing changed."""
    joined: Tag | None = None
    """The first frame that came."""
    received: int = 0
    longest_stall_s: float = 0.0
    longest_step_ms: int = 0
    """The longest between the timestamps of two frames of one kind; a frame that goes back makes it negative."""

    @property
    def faithful(self) -> bool:
        """Every frame from the one it joined at on: once, in order, with its bytes and its spacing."""
        return self.received > 0 and not (
            self.lost or self.doubled or self.disordered or self.unknown or len(self.shifts) > 1
        )

    def __str__(self) -> str:
        return (
            f"{self.received} frames from {self.joined and (self.joined.kind, self.joined.timestamp)} on; "
            f"lost {self.lost[:10]}, doubled {self.doubled[:10]}, out of order {self.disordered[:10]}, "
            f"unknown {[(t.kind, t.timestamp, t.payload[:16].hex()) for t in self.unknown[:5]]}, "
            f"timestamp shifts {sorted(self.shifts)[:5]}, longest step {self.longest_step_ms} ms, "
            f"longest stall {self.longest_stall_s * 1000:.0f} ms"
        )


async def witness(publisher: Publisher, players: Iterable[Player]) -> list[Comparison]:
    """Wait until each player has what is sent by now, and compare up to there."""
    sent = publisher.sent[:]
    for player in players:
        await player.receives(sent[-1])
    return [compare(sent, player, sent[-1]) for player in players]


async def assert_faithful(publisher: Publisher, players: Iterable[Player]) -> None:
    """Each player has seen every frame up to now, from a keyframe or, without pictures, from any on."""
    players = list(players)
    for player, report in zip(players, await witness(publisher, players), strict=True):
        assert report.faithful, f"{player.url}: {report}"
        assert report.joined
        assert report.joined.keyframe or all(tag.kind == AUDIO for tag in player.frames), f"{player.url}: {report}"


def compare(sent: Iterable[Tag], player: Player, last: Tag | None = None) -> Comparison:
    """Compare frames in the order of the log, up to `last`; headers need only be some that were sent."""
    sent = [tag for tag in sent if not tag.end]
    frames = _growing(tag for tag in sent if not tag.config)
    headers = {(tag.kind, tag.payload) for tag in sent if tag.config}
    places: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, tag in enumerate(frames):
        places[tag.kind, tag.payload].append(place)
    received = player.frames
    if last:
        received = received[: [tag.payload for tag in received].index(last.payload) + 1]
    result, seen = Comparison(joined=next(iter(received), None), received=len(received)), set[int]()
    expected = _start(frames, received)
    result.unknown += [t for t in player.tags if t.config and t.kind != META and (t.kind, t.payload) not in headers]
    for tag in received:
        found = places.get((tag.kind, tag.payload))
        if not found:
            result.unknown.append(tag)
            continue
        # Silence and still pictures repeat their bytes: take the occurrence that is due next.
        place = found[min(bisect_left(found, expected), len(found) - 1)]
        (result.doubled if place in seen else result.disordered if place < expected else []).append(place)
        seen.add(place)
        expected = max(expected, place + 1)
        result.shifts.add((tag.timestamp - frames[place].timestamp) & 0xFFFFFFFF)
    result.lost = sorted(set(range(min(seen, default=0), len(frames))) - seen)
    times = [arrival.at for arrival in player.arrivals]
    result.longest_stall_s = max((b - a for a, b in pairwise(times)), default=0.0)
    result.longest_step_ms = _longest_step(received)
    return result


def _longest_step(tags: list[Tag]) -> int:
    steps = [
        (b.timestamp - a.timestamp + (1 << 31)) % (1 << 32) - (1 << 31)
        for kind in (AUDIO, VIDEO)
        for a, b in pairwise(tag for tag in tags if tag.kind == kind)
    ]
    return min(steps, default=0) if min(steps, default=0) < 0 else max(steps, default=0)


def _growing(tags: Iterable[Tag]) -> list[Tag]:
    """With the times of the log, which grow within each kind: a repeated one is moved up by a millisecond."""
    frames: list[Tag] = []
    last: dict[int, int] = {}
    for tag in tags:
        step = (tag.timestamp - last.get(tag.kind, tag.timestamp - 1) + (1 << 31)) % (1 << 32) - (1 << 31)
        time = tag.timestamp if step > 0 else last[tag.kind] + 1
        last[tag.kind] = time
        frames.append(tag._replace(timestamp=time & 0xFFFFFFFF))
    return frames


def _start(sent: list[Tag], received: list[Tag]) -> int:
    """Where the player joined: the longest run of the same bytes, then the nearest timestamp."""

    def run(place: int) -> int:
        pairs = zip(sent[place:], received, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0].payload == pair[1].payload, pairs))

    places = [place for place, tag in enumerate(sent) if received and tag.payload == received[0].payload]
    return max(places, key=lambda p: (run(p), -abs(sent[p].timestamp - received[0].timestamp)), default=0)
