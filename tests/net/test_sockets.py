import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from unittest import mock

import pytest
import zmq

from mesh.net import sockets
from mesh.net.sockets import TURN, TURN_S, Socket
from tests.net.asynctest import asynctest, until

Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def context() -> Iterator[Context]:
    """A context; sockets that a failed test left open are closed, or it would wait for them for ever."""
    context: Context = zmq.Context()
    yield context
    context.destroy()


class Inbox(list[list[bytes]]):
    """The messages that a socket received."""

    def take(self, frames: list[zmq.Frame]) -> None:
        self.append([frame.bytes for frame in frames])


def pair(context: Context, inbox: Inbox) -> tuple[Socket, Socket]:
    """A PULL with its inbox, and a PUSH connected to it."""
    pull, push = Socket(context, zmq.PULL, inbox.take), Socket(context, zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{pull.bind('127.0.0.1', 0)}")
    return pull, push


def close(*sockets: Socket) -> None:
    for each in sockets:
        each.close()


@asynctest
async def test_messages_arrive_whole_and_in_order(context):
    inbox = Inbox()
    pull, push = pair(context, inbox)
    sent = [[b"head %d" % number, b"", b"x" * number] for number in range(100)]
    assert all([push.send(parts) for parts in sent])
    await until(lambda: len(inbox) == 100)
    assert inbox == sent
    close(pull, push)


@asynctest
async def test_what_comes_while_a_message_is_handled_is_not_forgotten(context):
    # The descriptor is edge-triggered: it tells of each arrival once, or of many at once.
    inbox = Inbox()
    pull, push = pair(context, inbox)
    for number in range(500):
        push.send([b"%d" % number])
        if number % 7 == 0:
            await asyncio.sleep(0)
    await until(lambda: len(inbox) == 500)
    close(pull, push)


@asynctest
async def test_a_flood_is_taken_in_turns_that_let_the_loop_breathe(context):
    inbox = Inbox()
    pull, push = pair(context, inbox)
    await asyncio.sleep(0.05)
    for number in range(3 * TURN):
        assert push.send([b"%d" % number])
    most, before = 0, 0
    while len(inbox) < 3 * TURN:
        await asyncio.sleep(0)
        most, before = max(most, len(inbox) - before), len(inbox)
    assert most <= TURN
    close(pull, push)


@asynctest
async def test_a_turn_ends_also_when_each_message_takes_long(context):
    inbox = Inbox()
    pull, push = pair(context, inbox)
    pull._receive = lambda frames: (inbox.take(frames), time.sleep(TURN_S / 4))
    await asyncio.sleep(0.05)
    for number in range(100):
        assert push.send([b"%d" % number])
    await asyncio.sleep(0.05)
    most, before = 0, len(inbox)
    while len(inbox) < 100:
        await asyncio.sleep(0)
        most, before = max(most, len(inbox) - before), len(inbox)
    assert most <= 5
    close(pull, push)


@asynctest
async def test_two_sockets_that_answer_each_other_never_fall_silent(context):
    # Each sends from within its own receiving: a send may swallow the edge of an arrival.
    turns = []

    def answer(sender: Socket) -> None:
        turns.append(sender)
        if len(turns) < 2000:
            sender.send([b"ball"])

    left = Socket(context, zmq.PAIR, lambda _: answer(left))
    right = Socket(context, zmq.PAIR, lambda _: answer(right))
    left.connect(f"tcp://127.0.0.1:{right.bind('127.0.0.1', 0)}")
    for _ in range(3):
        left.send([b"ball"])
    await until(lambda: len(turns) >= 2000)
    close(left, right)


def test_a_receiver_that_raises_once_hears_the_rest(context):
    heard, raised = [], []

    def hear(frames: list[zmq.Frame]) -> None:
        heard.append(frames[0].bytes)
        if len(heard) == 3:
            raise ZeroDivisionError

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
        pull, push = Socket(context, zmq.PULL, hear), Socket(context, zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{pull.bind('127.0.0.1', 0)}")
        for number in range(10):
            push.send([b"%d" % number])
        await until(lambda: len(heard) == 10)
        push.send([b"10"])
        await until(lambda: len(heard) == 11)
        close(pull, push)

    asyncio.run(run())
    assert [type(error) for error in raised] == [ZeroDivisionError]


@pytest.mark.parametrize("number", [1, 2, TURN - 1, TURN, TURN + 1])
def test_a_receiver_may_close_its_socket(context, number):
    heard = []

    @asynctest
    async def run() -> None:
        def hear(frames: list[zmq.Frame]) -> None:
            heard.append(frames)
            if len(heard) == number:
                pull.close()

        pull, push = Socket(context, zmq.PULL, hear), Socket(context, zmq.PUSH)
        push.connect(f"tcp://127.0.0.1:{pull.bind('127.0.0.1', 0)}")
        await asyncio.sleep(0.02)
        for _ in range(2 * TURN):
            push.send([b""])
        await until(lambda: pull.zmq.closed)
        await asyncio.sleep(0.01)
        push.close()

    run()
    assert len(heard) == number


@asynctest
async def test_closing_is_final_and_may_be_repeated(context):
    inbox = Inbox()
    pull, push = pair(context, inbox)
    push.send([b"first"])
    await until(lambda: inbox)
    push.send([b"second"])
    close(pull, push)
    close(pull, push)
    await asyncio.sleep(0.02)
    assert inbox == [[b"first"]]


@asynctest
async def test_an_endpoint_can_be_left_while_its_messages_are_waiting_and_none_is_read_by_half(context):
    inbox = Inbox()
    sub, pub = Socket(context, zmq.SUB, inbox.take), Socket(context, zmq.PUB)
    sub.zmq.subscribe(b"")
    endpoint = f"tcp://127.0.0.1:{pub.bind('127.0.0.1', 0)}"
    sub.connect(endpoint)
    await until(lambda: pub.send([b"head", b"body"]) and inbox)
    for _ in range(10):
        pub.send([b"head", b"body"])
    while not sub.zmq.get(zmq.EVENTS) & zmq.POLLIN:
        pass
    sub.disconnect(endpoint)
    received = len(inbox)
    await asyncio.sleep(0.05)
    assert {len(message) for message in inbox} == {2}
    assert len(inbox) >= received + 1
    close(sub, pub)


@asynctest
async def test_what_becomes_of_a_sockets_connections_is_told_while_it_is_open(context):
    told = []
    pull = Socket(context, zmq.PULL, Inbox().take)
    pull.watch(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED, lambda *event: told.append(event))
    endpoint = f"tcp://127.0.0.1:{pull.bind('127.0.0.1', 0)}"
    push = Socket(context, zmq.PUSH)
    push.connect(endpoint)
    await until(lambda: told)
    push.close()
    await until(lambda: len(told) == 2)
    assert [event for event, _, _ in told] == [zmq.EVENT_ACCEPTED, zmq.EVENT_DISCONNECTED]
    assert told[0][1:] == told[1][1:] and told[0][2] == endpoint
    close(pull)


@asynctest
async def test_what_nobody_takes_is_not_queued(context):
    push = Socket(context, zmq.PUSH, options={zmq.IMMEDIATE: 1})
    assert not push.send([b"head", b"body"])
    push.close()


@asynctest
async def test_a_full_socket_takes_no_more_and_what_it_took_arrives(context):
    inbox = Inbox()
    push = Socket(context, zmq.PUSH, options={zmq.SNDHWM: 5})
    port = push.bind("127.0.0.1", 0)
    pull = Socket(context, zmq.PULL, options={zmq.RCVHWM: 5})
    pull.connect(f"tcp://127.0.0.1:{port}")
    await asyncio.sleep(0.05)
    taken = 0
    while push.send([b"%d" % taken, bytes(1 << 16)]):
        taken += 1
    assert 5 <= taken < 500
    while len(inbox) < taken:
        inbox.take(await asyncio.to_thread(pull.zmq.recv_multipart, copy=False))
    assert [number for number, _ in inbox] == [b"%d" % number for number in range(taken)]
    close(pull, push)


@asynctest
async def test_a_router_without_that_peer_says_so(context):
    router = Socket(context, zmq.ROUTER, options={zmq.ROUTER_MANDATORY: 1})
    router.bind("127.0.0.1", 0)
    assert not router.send([b"nobody", b"hello"])
    router.close()


@asynctest
async def test_a_mistake_of_ours_is_raised(context):
    pull = Socket(context, zmq.PULL, lambda _: None)
    with pytest.raises(zmq.ZMQError):
        pull.send([b"a PULL cannot send"])
    pull.close()


@asynctest
async def test_a_port_that_is_taken_is_an_error(context):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        pull = Socket(context, zmq.PULL, lambda _: None)
        with pytest.raises(zmq.ZMQError) as raised:
            pull.bind("127.0.0.1", taken.getsockname()[1])
        assert raised.value.errno == zmq.EADDRINUSE
        pull.close()


@asynctest
async def test_no_host_is_every_address(context):
    inbox = Inbox()
    pull, push = Socket(context, zmq.PULL, inbox.take), Socket(context, zmq.PUSH)
    push.connect(f"tcp://127.0.0.1:{pull.bind('', 0)}")
    push.send([b"hello"])
    await until(lambda: inbox)
    close(pull, push)


@asynctest
async def test_an_endpoint_can_be_left_also_one_that_was_never_connected(context):
    inbox = Inbox()
    pull, push = Socket(context, zmq.PULL, inbox.take), Socket(context, zmq.PUSH, options={zmq.IMMEDIATE: 1})
    endpoint = f"tcp://127.0.0.1:{pull.bind('127.0.0.1', 0)}"
    push.disconnect(endpoint)
    push.connect(endpoint)
    await until(lambda: push.send([b"hello"]))
    await until(lambda: inbox)
    push.disconnect(endpoint)
    await until(lambda: not push.send([b"anybody?"]))
    close(pull, push)


@asynctest
async def test_options_are_set_before_it_connects(context):
    inbox = Inbox()
    router = Socket(context, zmq.ROUTER, inbox.take)
    dealer = Socket(context, zmq.DEALER, options={zmq.ROUTING_ID: b"n1"})
    dealer.connect(f"tcp://127.0.0.1:{router.bind('127.0.0.1', 0)}")
    dealer.send([b"hello"])
    await until(lambda: inbox)
    assert inbox == [[b"n1", b"hello"]]
    close(router, dealer)


def test_nothing_is_left_open():
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    @asynctest
    async def run() -> None:
        context: Context = zmq.Context()
        for _ in range(20):
            inbox = Inbox()
            pull, push = pair(context, inbox)
            push.send([b"hello"])
            await until(lambda inbox=inbox: inbox)
            close(pull, push)
        context.term()

    run()
    before = descriptors()
    run()
    assert descriptors() <= before


def test_a_context_that_does_not_end_is_left(monkeypatch):
    monkeypatch.setattr(sockets, "END_S", 0.05)
    freed = threading.Event()
    context = mock.Mock()
    context.destroy = lambda linger: freed.wait(5)
    sockets.end(context)
    assert not freed.is_set()
    freed.set()
    ended = zmq.Context()
    sockets.end(ended)
    assert ended.closed
