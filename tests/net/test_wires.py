import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from unittest import mock

import zmq

from mesh import config
from mesh.config import Address
from mesh.errors import WireError
from mesh.gossip.message import Bye, Ping, Sender
from mesh.media.wire import MAX_MESSAGE, encode
from mesh.net import wires
from mesh.net.security import Security
from mesh.net.sockets import Socket
from mesh.net.state import State
from mesh.net.wires import IDLE_S, MAX_DEALERS, MOST_LOOKUPS, OPTIONS, Wires
from tests.net.asynctest import asynctest, until

SECRET, SECOND = "correct-horse-battery-staple", "Tr0ub4dor-and-three-more"
BOOT = "b" * 16


class End:
    """The wires of one node, and what came over them."""

    def __init__(self, directory: Path, secret: str) -> None:
        """`secret` may be several."""
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.state = State.open(config.load(None, [f"node.data_dir={directory}"], {})[0])
        self.security = Security(self.state, secret.split())
        self.received: list[tuple[object, Sender]] = []
        self.lost: list[Address] = []
        self.found: list[Address] = []
        self.me = Sender(self.state.id, BOOT)
        self.wires = Wires(self.context, self.security, self.me, self.receive, self.lost.append, self.found.extend)
        self.control, self.gossip = (Address("127.0.0.1", port) for port in self.wires.bind("127.0.0.1", 0, 0))

    def receive(self, message: object, sender: Sender) -> None:
        if message == Ping(666):
            raise WireError("ping of 666, expected better")
        self.received.append((message, sender))

    def raw(self, to: "End") -> Socket:
        """A DEALER that says what it likes."""
        dealer = Socket(self.context, zmq.DEALER, None, self.security.dialling())
        dealer.connect(f"tcp://{to.control}")
        return dealer

    def close(self) -> None:
        self.wires.close()
        self.context.destroy(linger=0)
        self.state.close()


@asynccontextmanager
async def two(directory: Path, secret: str = "", others: str | None = None) -> AsyncIterator[tuple[End, End]]:
    """Two that share a secret, or not."""
    ends = End(directory / "one", secret), End(directory / "other", secret if others is None else others)
    try:
        yield ends
    finally:
        for end in ends:
            end.close()


@asynctest
async def test_a_message_for_one_arrives_with_its_sender(tmp_path):
    async with two(tmp_path) as (one, other):
        assert one.wires.send(other.control, Ping(7), 0.0)
        await until(lambda: other.received)
        assert other.received == [(Ping(7), Sender(one.state.id, BOOT, "127.0.0.1"))]


@asynctest
async def test_a_message_for_all_arrives_at_those_who_subscribed_and_as_long_as_they_do(tmp_path):
    async with two(tmp_path) as (one, other):
        other.wires.subscribe(one.gossip)
        await until(lambda: one.wires.publish(Bye()) or other.received)
        assert other.received[0] == (Bye(), Sender(one.state.id, BOOT, "127.0.0.1"))
        other.wires.unsubscribe(one.gossip)
        await asyncio.sleep(0.05)
        other.received.clear()
        one.wires.publish(Bye())
        await asyncio.sleep(0.05)
        assert other.received == []


@asynctest
async def test_all_connections_can_be_made_anew_and_then_carry_as_before(tmp_path):
    async with two(tmp_path) as (one, other):
        one.wires.subscribe(other.gossip)
        for nonce in range(3):
            one.received.clear()
            other.received.clear()
            one.wires.send(other.control, Ping(nonce), 0.0)
            await until(lambda nonce=nonce: [message for message, _ in other.received] == [Ping(nonce)])
            while not one.received:
                other.wires.publish(Bye())
                await asyncio.sleep(0.02)
            one.wires.redial()


@asynctest
async def test_a_publisher_that_goes_away_is_noticed(tmp_path):
    async with two(tmp_path) as (one, other):
        other.wires.subscribe(one.gossip)
        await until(lambda: one.wires.publish(Bye()) or other.received)
        one.wires.close()
        await until(lambda: one.gossip in other.lost)


@asynctest
async def test_garbage_is_counted_said_once_and_breaks_nothing(tmp_path, caplog):
    async with two(tmp_path) as (one, other):
        random, raw = Random(5), one.raw(other)
        envelope = bytes.fromhex(one.state.id + BOOT)
        for frames in (
            [b""],
            [b"x"],
            [envelope],
            [envelope, encode(Bye())],
            [envelope + encode(Bye()), b""],
            [b"short" + encode(Bye())],
            [envelope + encode(Ping(666))],
            *([envelope + random.randbytes(random.randrange(60))] for _ in range(100)),
        ):
            raw.send(frames)
        raw.send([envelope + encode(Ping(7))])
        await until(lambda: other.received)
        assert [message for message, _ in other.received] == [Ping(7)]
        assert other.wires.rejected == {"127.0.0.1": 107}
        assert caplog.text.count("is dropped, and more") == 1
        raw.close()


@asynctest
async def test_of_a_host_that_says_too_much_only_so_much_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(wires, "HEARD", (1 << 16, 1 << 17))
    async with two(tmp_path) as (one, other):
        for _ in range(1000):
            one.wires.send(other.control, Ping(7), 0.0)
        await until(lambda: len(other.received) + other.wires.rejected.total() == 1000)
        most = (1 << 17) // (256 + 24)
        assert 0.9 * most < len(other.received) < 1.1 * most
        await asyncio.sleep(0.1)
        heard = len(other.received)
        one.wires.send(other.control, Ping(8), 0.0)
        await until(lambda: len(other.received) > heard)


@asynctest
async def test_a_message_that_is_too_long_does_not_arrive(tmp_path):
    async with two(tmp_path) as (one, other):
        raw = one.raw(other)
        envelope = bytes.fromhex(one.state.id + BOOT)
        raw.send([envelope + bytes(MAX_MESSAGE + 1)])
        raw.send([envelope + bytes(OPTIONS[zmq.MAXMSGSIZE])])
        await until(lambda: other.wires.rejected)
        await asyncio.sleep(0.05)
        assert other.wires.rejected.total() == 1
        raw.close()


@asynctest
async def test_with_a_secret_nobody_speaks_in_anothers_name(tmp_path):
    async with two(tmp_path, SECRET) as (one, other):
        raw = one.raw(other)
        for id in (other.state.id, one.state.id):
            raw.send([bytes.fromhex(id + BOOT) + encode(Ping(7))])
        await until(lambda: other.received)
        assert other.received == [(Ping(7), Sender(one.state.id, BOOT, "127.0.0.1"))]
        assert other.wires.rejected.total() == 1
        raw.close()


@asynctest
async def test_what_is_idle_is_closed_and_opened_again_when_needed(tmp_path):
    async with two(tmp_path) as (one, other):
        for count, now in enumerate((0.0, IDLE_S - 1), 1):
            one.wires.send(other.control, Ping(1), now)
            await until(lambda count=count: len(other.received) == count)
        (first,) = one.wires._dealers.values()
        one.wires.close_idle(IDLE_S + 1)
        assert not first[0].zmq.closed
        one.wires.close_idle(2 * IDLE_S)
        assert first[0].zmq.closed
        one.wires.send(other.control, Ping(1), 2 * IDLE_S)
        await until(lambda: len(other.received) == 3)


@asynctest
async def test_only_so_many_connections_are_kept_and_the_one_used_last_is(tmp_path):
    async with two(tmp_path) as (one, other):
        for port in range(10_000, 10_000 + MAX_DEALERS + 3):
            assert one.wires.send(Address("127.0.0.1", port), Ping(1), now=port)
            assert one.wires.send(other.control, Ping(port), now=port)
        assert len(one.wires._dealers) == MAX_DEALERS and other.control in one.wires._dealers


@asynctest
async def test_a_goodbye_is_out_before_everything_is_closed(tmp_path):
    async with two(tmp_path) as (one, other):
        other.wires.subscribe(one.gossip)
        one.wires.send(other.control, Ping(1), 0.0)
        await until(lambda: one.wires.publish(Ping(2)) or len({message for message, _ in other.received}) == 2)
        one.wires.publish(Bye())
        one.wires.send(other.control, Bye(), 0.0)
        one.wires.close()
        await until(lambda: [message for message, _ in other.received].count(Bye()) == 2)


@asynctest
async def test_each_secret_is_tried_in_turn_at_every_dial(tmp_path):
    async with two(tmp_path, f"{SECRET} {SECOND}", SECOND) as (one, other):
        one.wires.subscribe(other.gossip)
        await until(lambda: one.wires.send(other.control, Ping(7), 0.0) and other.received)
        await until(lambda: other.wires.publish(Bye()) or one.received)
        assert one.wires._turns[other.control] == one.wires._turns[other.gossip] == 1
        assert one.wires.dialling(other.control) == one.security.dialling(1)
        assert one.security.troubles.known == {}


@asynctest
async def test_who_shares_no_secret_is_named_once_and_dialled_only_when_there_is_something_to_say(tmp_path, caplog):
    async with two(tmp_path, SECRET, SECOND) as (one, other):
        for _ in range(6):
            one.wires.send(other.control, Ping(7), 0.0)
            await until(lambda: not one.wires._dealers)
        await asyncio.sleep(0.3)
        assert one.wires._turns == {other.control: 6}
        assert one.security.troubles.known[str(other.control)].times == 5
        # A connection that has gone before its door looks is nobody's: the other side may take some more to name us.
        await until(lambda: one.wires.send(other.control, Ping(7), 0.0) and len(caplog.messages) == 2)
        assert other.received == []
        assert sorted(message.partition(" ")[0] for message in caplog.messages) == ["127.0.0.1", str(other.control)]


@asynctest
async def test_a_publisher_that_shares_no_secret_is_tried_more_and_more_seldom(tmp_path):
    async with two(tmp_path, SECRET, SECOND) as (one, other):
        one.wires.subscribe(other.gossip)
        await asyncio.sleep(1.0)
        assert 2 <= one.wires._turns[other.gossip] <= 4
        one.wires.unsubscribe(other.gossip)
        turns = one.wires._turns[other.gossip]
        await asyncio.sleep(1.0)
        assert one.wires._turns[other.gossip] == turns


@asynctest
async def test_a_name_is_looked_up_before_anybody_is_dialled(tmp_path: Path) -> None:
    """libzmq would do so itself, and meanwhile neither send nor receive anything."""
    async with two(tmp_path) as (one, _):
        assert not one.wires.send(Address("localhost", 7400), Ping(1), 0.0)
        assert not one.wires.send(Address("localhost", 7400), Ping(1), 0.0)
        await until(lambda: Address("127.0.0.1", 7400) in one.found)
        assert not one.wires._dealers and not one.wires._lookups
        for number in range(3 * MOST_LOOKUPS):
            one.wires.send(Address(f"{number}.invalid", 7400), Ping(1), 0.0)
        assert len(one.wires._lookups) == MOST_LOOKUPS


@asynctest
async def test_what_cannot_be_dialled_keeps_nothing_else_from_being_said(tmp_path: Path) -> None:
    async with two(tmp_path) as (one, _):
        with mock.patch.object(wires, "_endpoint", lambda address: "tcp://_x:1"):
            assert not one.wires.send(Address("127.0.0.1", 7400), Ping(1), 0.0)
            one.wires.subscribe(Address("127.0.0.1", 7401))
