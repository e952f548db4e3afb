from mesh.media.frame import Kind
from mesh.stream.clock import Clock

A, V = Kind.AUDIO, Kind.VIDEO


def lay(clock: Clock, kind: Kind, timestamp: int, now: float = 0) -> int:
    clock.last[kind] = clock.time(kind, timestamp, now)
    return clock.last[kind]


def test_the_first_frame_comes_at_the_floor_and_the_others_keep_their_distance() -> None:
    clock = Clock({V: 1000, A: 1010}, 1500)
    assert [lay(clock, V, 70_000), lay(clock, A, 70_005), lay(clock, V, 70_040)] == [1500, 1505, 1540]


def test_a_header_takes_the_time_of_what_came_before() -> None:
    clock = Clock({}, None)
    assert clock.header_time(V) == 0
    lay(clock, V, 5000)
    assert clock.header_time(V) == clock.header_time(A) == 5000


def test_a_clock_that_is_shifted_goes_on_in_step() -> None:
    clock = Clock({}, None)
    lay(clock, V, 100), lay(clock, A, 105)
    clock.shift(-40)
    assert [lay(clock, V, 140), lay(clock, A, 126)] == [100, 86]
    clock.shift(1000)
    assert [lay(clock, V, 180), clock.header_time(A)] == [1140, 1086]
