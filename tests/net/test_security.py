import asyncio
import logging
from collections.abc import Iterator

import pytest
import zmq

from mesh import config
from mesh.net import security
from mesh.net.security import Security
from mesh.net.sockets import Socket
from mesh.net.state import State
from tests.net.asynctest import asynctest, until

SECRET, OTHER = "correct horse battery staple", "correct horse battery stable"


@pytest.fixture
def states(tmp_path) -> Iterator[list[State]]:
    """The states of three nodes."""
    opened = [State.open(config.load(None, [f"node.data_dir={tmp_path}/{name}"], {})[0]) for name in "abc"]
    yield opened
    for state in opened:
        state.close()


@pytest.fixture
def contexts() -> Iterator[list[zmq.Context]]:
    made = [zmq.Context(), zmq.Context()]
    yield made
    for context in made:
        context.destroy(linger=0)


async def passes(contexts: list[zmq.Context], serving: Security, dialling: Security) -> list[list[zmq.Frame]]:
    """What arrives of one message from a dialling to a serving socket, in the time it takes two others to meet."""
    received: list[list[zmq.Frame]] = []
    judges = [serving.listen(contexts[0]), dialling.listen(contexts[1])]
    there = Socket(contexts[0], zmq.PULL, received.append, serving.serving())
    here = Socket(contexts[1], zmq.PUSH, None, dialling.dialling())
    here.connect(f"tcp://127.0.0.1:{there.bind('127.0.0.1', 0)}")
    here.send([b"hello"])
    for _ in range(100):
        await asyncio.sleep(0.003)
        if received:
            break
    for socket in (*judges, there, here):
        socket.close()
    return received


@asynctest
async def test_without_a_secret_private_addresses_pass(states, contexts):
    assert await passes(contexts, Security(states[0]), Security(states[1]))


@pytest.mark.parametrize(("insecure", "expected"), [(False, 0), (True, 1)])
def test_without_a_secret_public_addresses_pass_only_if_that_was_asked_for(
    states, contexts, monkeypatch, caplog, insecure, expected
):
    monkeypatch.setattr(security, "trusted", lambda host: False)

    @asynctest
    async def test():
        ours, theirs = Security(states[0], insecure=insecure), Security(states[1], insecure=True)
        assert len(await passes(contexts, ours, theirs)) == expected

    test()
    assert ("127.0.0.1 is met over a public address" in caplog.text) == (not insecure)


@asynctest
async def test_with_the_same_secret_each_message_proves_its_sender(states, contexts):
    ours, theirs = Security(states[0], [SECRET]), Security(states[1], [SECRET])
    ((frame,),) = await passes(contexts, ours, theirs)
    assert ours.proves(frame, states[1].id)
    assert not ours.proves(frame, states[2].id)


CASES = [([], [SECRET]), ([SECRET], []), ([SECRET], [OTHER])]


@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=["only they have one", "only we have one", "two secrets"])
def test_nodes_that_share_no_secret_do_not_connect(states, contexts, ours, theirs):
    @asynctest
    async def test():
        assert not await passes(contexts, Security(states[0], ours), Security(states[1], theirs))

    test()


@asynctest
async def test_a_publisher_that_binds_proves_itself_to_its_subscribers(states, contexts):
    ours, theirs = Security(states[0], [SECRET]), Security(states[1], [SECRET])
    received: list[list[zmq.Frame]] = []
    judges = [ours.listen(contexts[0]), theirs.listen(contexts[1])]
    sub = Socket(contexts[0], zmq.SUB, received.append, ours.serving())
    sub.zmq.subscribe(b"")
    pub = Socket(contexts[1], zmq.PUB, None, theirs.dialling())
    sub.connect(f"tcp://127.0.0.1:{pub.bind('127.0.0.1', 0)}")
    await until(lambda: pub.send([b"beat"]) and received)
    assert ours.proves(received[0][0], states[1].id)
    for socket in (*judges, sub, pub):
        socket.close()


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_whoever_listens_goes_by_the_first_secret_and_whoever_dials_tries_each_in_turn(states, turn):
    listener, dialler = Security(states[0], [SECRET]), Security(states[1], [OTHER, SECRET])
    key = dialler.dialling(turn)[zmq.CURVE_SERVERKEY]
    assert (key == zmq.curve_public(listener.serving()[zmq.CURVE_SECRETKEY])) == (turn % 2 == 1)
    assert key == zmq.curve_public(dialler.serving(turn)[zmq.CURVE_SECRETKEY])
    assert (listener.turns, dialler.turns) == (1, 2)


@pytest.mark.parametrize(
    ("secrets", "insecure", "said"),
    [
        ([SECRET], False, "INFO everything between nodes is encrypted"),
        ([], False, "INFO without a secret only nodes and publishers at loopback and private addresses are taken"),
        ([], True, "WARNING mesh.insecure: nodes and publishers of any address are taken, and nothing is encrypted"),
    ],
)
def test_what_protects_the_node_is_said_at_start(states, contexts, caplog, secrets, insecure, said):
    @asynctest
    async def test():
        with caplog.at_level(logging.INFO):
            Security(states[0], secrets, insecure).listen(contexts[0]).close()

    test()
    assert [f"{record.levelname} {record.message}" for record in caplog.records] == [said]


def test_a_secret_takes_its_time_to_become_a_key_and_only_once():
    key = security._cluster_key(SECRET)
    assert key == security._cluster_key(SECRET) != security._cluster_key(OTHER)
    assert len(key) == 40
