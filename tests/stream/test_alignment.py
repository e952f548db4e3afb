import heapq
from collections.abc import Callable, Iterator
from itertools import count, takewhile
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.media.frame import Frame, Kind
from mesh.stream.alignment import Alignment
from mesh.stream.clock import APART_MS
from mesh.stream.leader import Leader
from mesh.stream.log import StreamLog
from tests.stream.frames import AAC_HEADER, AVC_HEADER, METADATA, roomy

TICK_MS = 250
PICTURE_MS, SOUND_MS = 40, 21
HEADERS = (Kind.META, METADATA), (Kind.VIDEO, AVC_HEADER), (Kind.AUDIO, AAC_HEADER)


class Encoded(NamedTuple):
    at: int
    kind: Kind
    payload: bytes


Encoder = Callable[[], Iterator[Encoded]]


def moving(gop: int = 25, seed: str = "") -> Iterator[Encoded]:
    """Pictures and sounds without end, each unlike all others."""
    return _encode(gop, lambda n: b"%d %b" % (n, seed.encode()), lambda n: b"%d %b" % (n, seed.encode()))


def still(gop: int = 25) -> Iterator[Encoded]:
    """A still picture and silence: each GOP repeats the last, and each sound too."""
    return _encode(gop, lambda n: b"%d" % (n % gop), lambda n: b"")


def silence() -> Iterator[Encoded]:
    """The same sound again and again, and no picture."""
    return (encoded for encoded in still() if encoded.kind == Kind.AUDIO)


def speech() -> Iterator[Encoded]:
    """Sounds alone."""
    return (encoded for encoded in moving() if encoded.kind == Kind.AUDIO)


def _encode(gop: int, picture: Callable[[int], bytes], sound: Callable[[int], bytes]) -> Iterator[Encoded]:
    head = lambda n: bytes.fromhex("27 01 000000" if n % gop else "17 01 000000")  # noqa: E731
    pictures = (Encoded(n * PICTURE_MS, Kind.VIDEO, head(n) + picture(n)) for n in count())
    sounds = (Encoded(n * SOUND_MS, Kind.AUDIO, b"\xaf\x01" + sound(n)) for n in count())
    return heapq.merge(pictures, sounds)


def publish(
    leader: Leader, encoder: Iterator[Encoded], seconds: float, late_ms: int = 0, clock_ms: int = 0
) -> Iterator[tuple[int, Callable[[], None]]]:
    """What a publisher does, and when; his clock shows `clock_ms` when he begins."""

    def write(kind: Kind, timestamp: int, payload: bytes, at: int) -> None:
        leader.write(kind, timestamp % (1 << 32), payload, at / 1000)

    for kind, payload in HEADERS:
        yield late_ms, lambda kind=kind, payload=payload: write(kind, clock_ms, payload, late_ms)
    for at, kind, payload in takewhile(lambda encoded: encoded.at < seconds * 1000, encoder):
        yield at + late_ms, lambda at=at, kind=kind, payload=payload: write(kind, at + clock_ms, payload, at + late_ms)


class Pair:
    """A stream and its standby."""

    def __init__(self) -> None:
        self.log, self.own = roomy("live/x"), roomy("own")
        self.first, self.second = Leader(self.log, 1, "n1"), Leader(self.own, 1, "n2")
        self.alignment = Alignment(self.own, self.log)

    def run(self, *acts: Iterator[tuple[int, Callable[[], None]]], until_s: float = 60) -> None:
        """Let publishers write, and compare from time to time."""
        due = TICK_MS
        for at, act in takewhile(lambda act: act[0] < until_s * 1000, heapq.merge(*acts, key=lambda act: act[0])):
            while at >= due:
                self.alignment.compare()
                due += TICK_MS
            act()

    def take_over(self) -> None:
        """The first publisher is gone: the second goes on."""
        shift, rest = self.alignment.shift, self.alignment.rest()
        assert shift is not None
        self.second.go_on(self.log, 2, "n2", shift, rest)


def media(log: StreamLog) -> list[Frame]:
    every = log.read(log.tail, 1 << 40).frames
    return [frame for frame in every if frame.kind != Kind.META and not frame.config]


def assert_seamless(pair: Pair, encoder: Encoder, seconds: float) -> None:
    """The stream is what the encoder made, each frame once and at its time."""
    for kind in (Kind.VIDEO, Kind.AUDIO):
        made = [(e.at, e.payload) for e in takewhile(lambda e: e.at < seconds * 1000, encoder()) if e.kind == kind]
        held = [(frame.dts, frame.payload) for frame in media(pair.log) if frame.kind == kind]
        assert held == made[len(made) - len(held) :]


ENCODERS: dict[str, Encoder] = {"moving": moving, "still": still, "speech": speech, "silence": silence}
SOON = [name for name in ENCODERS if name != "silence"]


@pytest.mark.parametrize("late_ms", [-180, -3, 0, 3, 180])
@pytest.mark.parametrize("name", SOON)
def test_the_same_encoder_is_aligned_after_two_gops_and_goes_on_without_a_seam(name: str, late_ms: int) -> None:
    encoder, pair = ENCODERS[name], Pair()
    first = publish(pair.first, encoder(), 5, max(0, -late_ms))
    pair.run(first, publish(pair.second, encoder(), 5, max(0, late_ms), clock_ms=777_000))
    assert pair.alignment.shift == -777_000
    pair.take_over()
    assert_seamless(pair, encoder, 5)


def test_silence_alone_is_aligned_by_when_it_arrives() -> None:
    pair = Pair()
    pair.run(publish(pair.first, silence(), 5), publish(pair.second, silence(), 5, 2, clock_ms=777_000))
    assert pair.alignment.shift == -777_000


def test_the_stream_is_taken_over_where_it_ended_however_far_ahead_the_standby_is() -> None:
    pair = Pair()
    pair.run(publish(pair.first, moving(), 4), publish(pair.second, moving(), 6, clock_ms=5000))
    pair.take_over()
    assert_seamless(pair, moving, 6)


def test_a_standby_that_is_behind_goes_on_when_it_has_caught_up() -> None:
    pair = Pair()
    pair.run(publish(pair.first, moving(), 4), publish(pair.second, moving(), 3.7, clock_ms=5000))
    pair.take_over()
    assert pair.log.position and pair.log.position.epoch == 2 and not [f for f in media(pair.log) if f.epoch == 2]


def test_nothing_is_confirmed_before_two_gops() -> None:
    pair = Pair()
    pair.run(publish(pair.first, moving(50), 4), publish(pair.second, moving(50), 4))
    assert pair.alignment.shift is None
    pair = Pair()
    pair.run(publish(pair.first, moving(50), 5), publish(pair.second, moving(50), 5))
    assert pair.alignment.shift == 0


def test_another_encoder_is_never_aligned() -> None:
    pair = Pair()
    pair.run(publish(pair.first, moving(), 8), publish(pair.second, moving(seed="other"), 8))
    assert pair.alignment.shift is None


def test_what_is_shared_only_for_a_while_is_aligned_no_more_once_it_differs() -> None:
    def parting() -> Iterator[Encoded]:
        return (e if e.at < 4000 else e._replace(payload=e.payload + b"!") for e in moving())

    pair = Pair()
    pair.run(publish(pair.first, moving(), 8), publish(pair.second, parting(), 8), until_s=4)
    assert pair.alignment.shift == 0
    pair = Pair()
    pair.run(publish(pair.first, moving(), 8), publish(pair.second, parting(), 8))
    assert pair.alignment.shift is None


def test_frames_that_the_standbys_publisher_dropped_cost_the_alignment_until_two_gops_fit_again() -> None:
    def dropping() -> Iterator[Encoded]:
        return (e for e in moving() if not 4000 < e.at < 4100)

    aligned = []
    for seconds in (3.9, 5, 8):
        pair = Pair()
        pair.run(publish(pair.first, moving(), seconds), publish(pair.second, dropping(), seconds))
        aligned.append(pair.alignment.shift)
    assert aligned == [0, None, 0]


def test_what_is_kept_for_comparison_is_bounded() -> None:
    pair = Pair()
    pair.run(publish(pair.first, moving(), 50), publish(pair.second, moving(seed="other"), 50))
    assert len(pair.alignment._mine) < 20 * 75 and len(pair.alignment._theirs) < 12 * 75


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(SOON),
    st.integers(0, 1 << 32),
    st.integers(-250, 250),
    st.floats(4, 7),
    st.floats(0, 0.9),
    st.integers(10, 30),
)
def test_wherever_the_stream_is_cut_the_standby_goes_on_with_the_next_frame(name, clock, late, cut, more, gop) -> None:
    def encoder() -> Iterator[Encoded]:
        return ENCODERS[name]() if name == "speech" else ENCODERS[name](gop)  # type: ignore[call-arg]

    pair = Pair()
    first = publish(pair.first, encoder(), cut, max(0, -late))
    pair.run(first, publish(pair.second, encoder(), cut + more, max(0, late), clock))
    pair.take_over()
    for act in publish(pair.second, (e for e in encoder() if e.at >= (cut + more) * 1000), 9, max(0, late), clock):
        act[1]()
    assert_seamless(pair, encoder, 9)


def test_sound_that_the_stream_has_not_begins_where_the_stream_is():
    pair = Pair()
    mute = [encoded for encoded in takewhile(lambda encoded: encoded.at < 9000, moving()) if encoded.kind == Kind.VIDEO]
    pair.run(publish(pair.first, iter(mute), 8), publish(pair.second, moving(), 8, clock_ms=5000))
    assert pair.alignment.shift is not None
    stood_at = max(frame.dts for frame in media(pair.log))
    pair.take_over()
    assert min(frame.dts for frame in media(pair.log) if frame.epoch == 2) >= stood_at - APART_MS


def test_no_payload_is_kept_beside_the_logs():
    log, own = roomy(), roomy("own")
    leader, alignment = Leader(own, 1, "n2"), Alignment(own, log)
    for number in range(50):
        leader.write(Kind.VIDEO, number, bytes.fromhex("1701000000") + bytes(1000), number / 1000)
    alignment.compare()
    assert max(map(len, alignment._mine.values())) <= 16
