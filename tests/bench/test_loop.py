import socket
from time import monotonic

from mesh.bench.loop import Loop


def test_what_is_due_is_called_in_its_order():
    loop, called = Loop(), []
    now = monotonic()
    for delay in (0.02, 0.0, 0.01, 0.0):
        loop.at(now + delay, lambda delay=delay: called.append(delay))
    loop.run(now + 0.05)
    assert called == [0.0, 0.0, 0.01, 0.02]


def test_a_readable_socket_is_told_until_it_is_forgotten():
    loop, (near, far) = Loop(), socket.socketpair()
    heard: list[bytes] = []

    def ready() -> None:
        heard.append(near.recv(1))
        if len(heard) == 2:
            loop.forget(near.fileno())

    with near, far:
        loop.watch(near.fileno(), False, ready)
        far.send(b"abc")
        loop.run(monotonic() + 0.05)
        assert heard == [b"a", b"b"]


def test_time_passes_while_nothing_happens():
    began = monotonic()
    Loop().run(began + 0.05)
    assert monotonic() >= began + 0.05
