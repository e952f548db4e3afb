import errno
import socket
import threading
from contextlib import suppress

import pytest
import zmq
from zmq.utils import z85

from mesh.config import Address
from mesh.control.cause import Cause
from mesh.net.dials import Dials, cause_of
from mesh.net.sockets import Socket
from tests.net.asynctest import asynctest, until

OURS, THEIRS = (z85.encode(letter * 32) for letter in (b"a", b"b"))


def serving(key: bytes | None) -> dict[int, int | bytes]:
    return {zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: key} if key else {}


def dialling(key: bytes | None) -> dict[int, int | bytes]:
    if not key:
        return {}
    public, secret = zmq.curve_keypair()
    return {zmq.CURVE_SERVERKEY: zmq.curve_public(key), zmq.CURVE_PUBLICKEY: public, zmq.CURVE_SECRETKEY: secret}


class Watched:
    """Dials, and what they told."""

    def __init__(self, sealed: bool) -> None:
        self.met: list[Address] = []
        self.lost: list[Address] = []
        self.failed: list[tuple[Address, Cause]] = []
        self.dials = Dials(sealed, self.met.append, self.lost.append, lambda *what: self.failed.append(what))


@asynctest
async def test_a_connection_is_met_and_later_lost():
    ours, theirs, watched = zmq.Context(), zmq.Context(), Watched(True)
    router = Socket(theirs, zmq.ROUTER, None, serving(OURS))
    address = Address("127.0.0.1", router.bind("127.0.0.1", 0))
    dealer = Socket(ours, zmq.DEALER, None, dialling(OURS))
    watched.dials.watch(dealer)
    dealer.connect(f"tcp://{address}")
    await until(lambda: watched.met == [address])
    router.close()
    await until(lambda: watched.lost == [address])
    assert watched.failed == []
    dealer.close()
    for context in (ours, theirs):
        context.destroy(linger=0)


@asynctest
async def test_an_address_is_called_the_same_when_it_is_dialled_again():
    ours, theirs, watched = zmq.Context(), zmq.Context(), Watched(True)
    dealer = Socket(ours, zmq.DEALER, None, dialling(OURS) | {zmq.IPV6: 1, zmq.RECONNECT_IVL: 10})
    watched.dials.watch(dealer)
    port = 0
    for key in (OURS, OURS, THEIRS):
        router = Socket(theirs, zmq.ROUTER, None, serving(key))
        await until(lambda router=router, port=port: bound(router, port))
        if not port:
            port = int(router.zmq.get_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
            dealer.connect(f"tcp://127.0.0.1:{port}")
        told = len(watched.met + watched.failed)
        await until(lambda told=told: len(watched.met + watched.failed) > told)
        router.close()
    address = Address("127.0.0.1", port)
    assert {*watched.met, *watched.lost} == {address} and watched.failed[0] == (address, Cause.HUNG_UP)
    dealer.close()
    for context in (ours, theirs):
        context.destroy(linger=0)


def bound(socket: Socket, port: int) -> bool:
    """Whether it could take the port, which another may not have let go of yet."""
    with suppress(zmq.ZMQError):
        return bool(socket.bind("127.0.0.1", port))
    return False


@pytest.mark.parametrize(
    ("ours", "theirs", "causes"),
    [
        (OURS, THEIRS, {Cause.HUNG_UP}),
        (OURS, None, {Cause.HUNG_UP, Cause.NO_SECRET}),
        (None, THEIRS, {Cause.HUNG_UP_PLAIN, Cause.SEALED}),
    ],
    ids=["two secrets", "theirs is missing", "ours is missing"],
)
def test_a_handshake_that_fails_says_why(ours, theirs, causes):
    @asynctest
    async def test():
        mine, foreign, watched = zmq.Context(), zmq.Context(), Watched(bool(ours))
        router = Socket(foreign, zmq.ROUTER, None, serving(theirs))
        address = Address("127.0.0.1", router.bind("127.0.0.1", 0))
        dealer = Socket(mine, zmq.DEALER, None, dialling(ours))
        watched.dials.watch(dealer)
        dealer.connect(f"tcp://{address}")
        await until(lambda: watched.failed)
        assert watched.failed[0][0] == address and watched.failed[0][1] in causes
        assert watched.met == watched.lost == []
        dealer.close()
        router.close()
        for context in (mine, foreign):
            context.destroy(linger=0)

    test()


@asynctest
async def test_a_subscriber_that_serves_hears_of_the_wrong_secret_itself():
    ours, theirs, watched = zmq.Context(), zmq.Context(), Watched(True)
    pub = Socket(theirs, zmq.PUB, None, dialling(THEIRS))
    address = Address("127.0.0.1", pub.bind("127.0.0.1", 0))
    sub = Socket(ours, zmq.SUB, lambda frames: None, serving(OURS))
    watched.dials.watch(sub)
    sub.connect(f"tcp://{address}")
    await until(lambda: watched.failed)
    assert watched.failed == [(address, Cause.SECRET)]
    sub.close()
    pub.close()
    for context in (ours, theirs):
        context.destroy(linger=0)


@asynctest
async def test_whatever_speaks_something_else_is_no_node():
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            while connection.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        context, watched = zmq.Context(), Watched(True)
        dealer = Socket(context, zmq.DEALER, None, dialling(OURS))
        watched.dials.watch(dealer)
        address = Address("127.0.0.1", listener.getsockname()[1])
        dealer.connect(f"tcp://{address}")
        await until(lambda: watched.failed)
        assert watched.failed == [(address, Cause.FOREIGN)]
        dealer.close()
        context.destroy(linger=0)
        thread.join()


CASES = [
    (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC, True, Cause.SECRET),
    (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, True, Cause.NO_SECRET),
    (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH, False, Cause.SEALED),
    (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND, True, Cause.FOREIGN),
    (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno.EPIPE, True, Cause.HUNG_UP),
    (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno.ECONNRESET, False, Cause.HUNG_UP_PLAIN),
    (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, errno.EAGAIN, True, None),
    (zmq.EVENT_HANDSHAKE_FAILED_AUTH, 400, False, Cause.PUBLIC),
]


@pytest.mark.parametrize(("event", "value", "sealed", "cause"), CASES)
def test_each_failure_means_something_to_a_node_with_or_without_a_secret(event, value, sealed, cause):
    assert cause_of(event, value, sealed) is cause
