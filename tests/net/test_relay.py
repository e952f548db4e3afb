import asyncio
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
import zmq

from mesh.config import Config, RelayConfig
from mesh.errors import ConfigError
from mesh.gossip.member import Card, Load, Member, Replica
from mesh.gossip.tables import Tables
from mesh.media.frame import Frame
from mesh.media.wire import decode, encode
from mesh.net.fetch import Fetch
from mesh.net.relay import Relay
from mesh.net.security import Options, Security
from mesh.net.state import id_of
from mesh.relay.message import Media, Run, describe, unpack
from mesh.relay.state import State
from mesh.stream.log import Budget, StreamLog
from tests.net.asynctest import asynctest, until
from tests.relay.sample import STREAM, at, extend, gops, held, video

IDLE, FULL = Load(), Load(mem=1.0)


def member(id: str, load: Load = IDLE) -> Member:
    """A node in the tables of another."""
    return Member(Card(id, id, "", "boot", 1, ("127.0.0.1",), 0, 0, 0, 0, 0, 1), load=load)


class Host:
    """A node as the relay sees it: logs, and a way to the others."""

    def __init__(self, id: str, mesh: "Mesh", lag_s: float = 3.0) -> None:
        """With a secret its id is not `id`, but that of its key."""
        public, secret = zmq.curve_keypair()
        self.id = id_of(public) if mesh.secrets else id
        self.mesh = mesh
        self.port = 0
        self.security = Security(SimpleNamespace(public_key=public, secret_key=secret), mesh.secrets)
        self.logs: dict[str, StreamLog] = {}
        self.states: list[State] = []
        self.tables = Tables(self.id, [member(self.id)])
        self.relay = Relay(mesh.context, self, Config(relay=RelayConfig(lag_s)), self.logs.get)
        self._callbacks: dict[type, Callable[[str, object], None]] = {}

    def on(self, message_type: type, callback: Callable[[str, object], None]) -> None:
        self._callbacks[message_type] = callback

    def send(self, peer: str, message: object) -> bool:
        data = encode(message)
        asyncio.get_running_loop().call_soon(lambda: self.mesh.hosts[peer].receive(self.id, data))
        return True

    def receive(self, sender: str, data: bytes) -> None:
        message = decode(data)
        self._callbacks[type(message)](sender, message)

    def media_endpoint(self, peer: str) -> str | None:
        return f"tcp://127.0.0.1:{self.mesh.hosts[peer].port}"

    def media_options(self, peer: str) -> Options:
        return self.security.dialling()

    def rtt_s(self, peer: str) -> float:
        return 0.001

    def log(self, stream: str = STREAM, max_bytes: int = 1 << 30) -> StreamLog:
        """An empty log of this node."""
        log = self.logs[stream] = StreamLog(stream, 1000, max_bytes, Budget(1 << 40))
        log.on_append = lambda: self.relay.advanced(stream)
        return log

    def fetch(self, supplier: str, stream: str = STREAM) -> Fetch:
        """Fetch a stream into a new log, or the one there is."""
        log = self.logs.get(stream) or self.log(stream)
        return self.relay.fetch(stream, supplier, log, lambda _, state: self.states.append(state))


class Mesh:
    """Some nodes in one process; only their media goes over the network."""

    def __init__(self, *secrets: str) -> None:
        self.secrets = secrets
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.hosts: dict[str, Host] = {}

    async def host(self, id: str, lag_s: float = 3.0) -> Host:
        """Start a node."""
        host = Host(id, self, lag_s)
        self.hosts[host.id] = host
        host.port = await host.relay.start("127.0.0.1", 0)
        return host


@asynccontextmanager
async def mesh(ids: str, lag_s: float = 3.0, secrets: tuple[str, ...] = ()) -> AsyncIterator[list[Host]]:
    """A mesh of nodes of these names."""
    made = Mesh(*secrets)
    hosts = [await made.host(id, lag_s) for id in ids]
    judge = hosts[0].security.listen(made.context)
    try:
        yield hosts
    finally:
        for host in made.hosts.values():
            await host.relay.stop()
        judge.close()
        made.context.destroy(linger=0)


def is_copy(replica: StreamLog, original: StreamLog) -> bool:
    """Whether a replica has all that the original has, from the keyframe on where it joined."""
    copy = [frame for frame in held(replica) if not frame.config]
    return copy[0].keyframe and copy == [frame for frame in held(original) if frame.offset >= copy[0].offset]


async def publish(log: StreamLog, frames: list[Frame], pause_s: float = 0.002) -> None:
    """Write frames at a pace."""
    for frame in frames:
        extend(log, frame, leader="a")
        await asyncio.sleep(pause_s)


@asynctest
async def test_a_chain_of_replicas_holds_what_the_leader_wrote() -> None:
    async with mesh("abcd") as hosts:
        extend(hosts[0].log(), *gops(25), leader="a")
        for supplier, host in zip("abc", hosts[1:], strict=True):
            host.fetch(supplier)
        await publish(hosts[0].logs[STREAM], [video(n, n % 25 == 1, size=5000) for n in range(26, 200)])
        await until(lambda: hosts[3].logs[STREAM].head == at(200))
        assert all(is_copy(host.logs[STREAM], hosts[0].logs[STREAM]) for host in hosts[1:])
        assert hosts[3].fetch("c").path == ("a", "b", "c")


async def first_frame_s() -> float:
    """How long after a fetch the first frame comes, over a connection that is not there yet."""
    async with mesh("ab") as (a, b):
        extend(a.log(), *gops(25, size=50_000), leader="a")
        came = asyncio.Event()
        b.log().on_append = came.set
        start = time.perf_counter()
        b.fetch("a")
        await came.wait()
        return time.perf_counter() - start


@asynctest
async def test_the_first_frame_comes_within_20_ms_over_a_cold_connection() -> None:
    assert min([await first_frame_s() for _ in range(5)]) < 0.020


@asynctest
async def test_a_hop_adds_less_than_2_ms() -> None:
    async with mesh("abc") as (a, b, c):
        loop, arrivals = asyncio.get_running_loop(), {id: {} for id in "abc"}
        for host, supplier in ((a, ""), (b, "a"), (c, "b")):
            log = host.log()

            def note(host: Host = host, log: StreamLog = log) -> None:
                arrivals[host.id][log.head] = loop.time()
                host.relay.advanced(STREAM)

            log.on_append = note
            if supplier:
                host.fetch(supplier)
        await publish(a.logs[STREAM], gops(300, 25, size=5000))
        await until(lambda: c.logs[STREAM].head == at(301))
        delays = sorted((arrivals["c"][head] - arrivals["a"][head]) / 2 for head in arrivals["c"])
        assert delays[len(delays) // 2] < 0.002


@asynctest
async def test_many_streams_share_one_connection() -> None:
    async with mesh("ab") as (a, b):
        streams = [f"live/{number}" for number in range(100)]
        for stream in streams:
            extend(a.log(stream), *gops(25, size=2000), leader="a")
            b.fetch("a", stream)
        for n in range(26, 76):
            for stream in streams:
                extend(a.logs[stream], video(n, n % 25 == 1, size=2000), leader="a")
            await asyncio.sleep(0.001)
        await until(lambda: all(log.head == at(76) for log in b.logs.values()))
        assert len(a.relay._pushes) == 1
        assert all(b.relay.feeds(stream) == 0 and a.relay.feeds(stream) == 1 for stream in streams)
        traffic = [link for link in b.relay.links if link.direction == "in"]
        assert len(traffic) == 100 and all((link.skips, link.losses) == (0, 0) for link in traffic)


@asynctest
async def test_a_stream_is_fetched_once() -> None:
    async with mesh("ab") as (a, b):
        extend(a.log(), *gops(25), leader="a")
        fetch = b.fetch("a")
        assert b.fetch("a") is fetch
        await until(lambda: b.states)
        assert b.states == [State.OPEN] and b.fetch("x") is fetch
        assert a.relay.feeds(STREAM) == 1


@asynctest
async def test_a_follower_that_stands_still_costs_others_nothing_and_skips() -> None:
    async with mesh("abc", lag_s=0.5) as (a, b, c):
        extend(a.log(), *gops(1, size=20_000), leader="a")
        slow, quick = b.fetch("a"), c.fetch("a")
        await until(lambda: b.states and c.states)
        receive, b.receive = b.receive, lambda sender, data: None
        loop = asyncio.get_running_loop()
        loop.remove_reader(b.relay._pull.zmq.fileno())
        await publish(a.logs[STREAM], [video(n, n % 25 == 1, size=20_000) for n in range(2, 400)], 0.004)
        await until(lambda: c.logs[STREAM].head == at(400))
        assert quick.follower.skips == 0 and b.logs[STREAM].head < at(100)
        b.receive = receive
        loop.add_reader(b.relay._pull.zmq.fileno(), b.relay._pull._drain)
        b.relay._pull._drain()
        await publish(a.logs[STREAM], [video(n, n % 25 == 1, size=20_000) for n in range(400, 450)], 0.004)
        await until(lambda: b.logs[STREAM].head == at(450))
        assert slow.follower.skips >= 1


@asynctest
async def test_a_supplier_that_comes_back_at_another_port_goes_on_feeding() -> None:
    async with mesh("abc") as (a, b, c):
        extend(a.log(), *gops(25), leader="a")
        b.fetch("a")
        c.fetch("b")
        await until(lambda: c.logs[STREAM].head == at(26))
        await b.relay.stop()
        again = await b.mesh.host("b")
        again.logs.update(b.logs)
        again.logs[STREAM].on_append = lambda: again.relay.advanced(STREAM)
        again.fetch("a")
        await publish(a.logs[STREAM], [video(n) for n in range(26, 100)])
        assert (c.states[0], c.states[-1]) == (State.OPEN, State.GONE)
        c.fetch("b").switch("b")
        await until(lambda: c.logs[STREAM].head == at(100))
        assert is_copy(c.logs[STREAM], a.logs[STREAM])


@asynctest
async def test_a_supplier_that_vanishes_is_lost_and_another_goes_on_without_a_gap() -> None:
    async with mesh("abc") as (a, b, c):
        extend(a.log(), *gops(25), leader="a")
        b.fetch("a")
        fetch = c.fetch("b")
        await until(lambda: c.logs[STREAM].head == at(26))
        b.receive = lambda sender, data: None
        b.relay._pull.close()
        writing = asyncio.create_task(publish(a.logs[STREAM], [video(n, n % 25 == 1) for n in range(26, 700)]))
        await until(lambda: State.LOST in c.states)
        fetch.switch("a")
        await writing
        await until(lambda: c.logs[STREAM].head == at(700))
        assert fetch.path == ("a",) and fetch.follower.skips == 0
        assert is_copy(c.logs[STREAM], a.logs[STREAM])


@asynctest
async def test_a_full_supplier_feeds_one_replica_which_feeds_the_others() -> None:
    async with mesh("abcd") as (a, b, c, d):
        extend(a.log(), *gops(25), leader="a")
        a.tables.set_member(member("a", FULL))
        b.fetch("a")
        await until(lambda: b.logs[STREAM].head == at(26))
        a.tables.set_member(member("b"))
        a.tables.set_entry(Replica("b", STREAM, 1, "a", ("a",)))
        fetches = [c.fetch("a"), d.fetch("a")]
        await until(lambda: c.logs[STREAM].head == d.logs[STREAM].head == at(26))
        assert [fetch.path for fetch in fetches] == [("a", "b"), ("a", "b")]
        assert (a.relay.feeds(STREAM), b.relay.feeds(STREAM)) == (1, 2)


@asynctest
async def test_followers_that_are_moved_miss_nothing() -> None:
    async with mesh("abc") as (a, b, c):
        extend(a.log(), *gops(25), leader="a")
        b.fetch("a")
        fetch = c.fetch("b")
        await until(lambda: c.states)
        writing = asyncio.create_task(publish(a.logs[STREAM], [video(n, n % 25 == 1) for n in range(26, 200)]))
        await until(lambda: c.logs[STREAM].head > at(50))
        b.relay.move(STREAM, "a")
        await writing
        await until(lambda: c.logs[STREAM].head == at(200))
        assert fetch.path == ("a",) and is_copy(c.logs[STREAM], a.logs[STREAM])


@asynctest
async def test_a_stream_that_ends_is_gone_for_all_down_the_chain() -> None:
    async with mesh("abc") as (a, b, c):
        extend(a.log(), *gops(25), leader="a")
        b.fetch("a")
        c.fetch("b")
        await until(lambda: c.states and b.states)
        for host, follower in ((a, b), (b, c)):
            del host.logs[STREAM]
            host.relay.ended(STREAM)
            await until(lambda follower=follower: follower.states[-1] is State.GONE)
        assert [host.relay.links for host in (a, b)] == [[], []]


@asynctest
async def test_garbage_at_the_media_port_is_counted_and_nothing_else() -> None:
    async with mesh("ab") as (a, b):
        extend(a.log(), *gops(25), leader="a")
        b.fetch("a")
        with a.mesh.context.socket(zmq.PUSH) as push:
            push.connect(f"tcp://127.0.0.1:{b.port}")
            for parts in ([b""], [b"x"] * 500, [os.urandom(100), os.urandom(100)], [b"\x91\x28", b"\x91\x29"]):
                push.send_multipart(parts)
            await until(lambda: b.relay.dropped["malformed"] == 4)
        with socket.create_connection(("127.0.0.1", b.port)) as raw:
            raw.sendall(os.urandom(1 << 16))
        await publish(a.logs[STREAM], [video(n) for n in range(26, 50)])
        await until(lambda: b.logs[STREAM].head == at(50))


SECRETS = ("correct horse battery staple",)


@asynctest
async def test_with_a_secret_media_arrives_as_it_was_and_only_from_those_who_have_it() -> None:
    async with mesh("abc", secrets=SECRETS) as (a, b, c):
        extend(a.log(), *gops(25, size=100_000), leader=a.id)
        b.fetch(a.id)
        c.fetch(b.id)
        await until(lambda: c.logs.get(STREAM) and c.logs[STREAM].head == at(26))
        assert is_copy(c.logs[STREAM], a.logs[STREAM])
        with a.mesh.context.socket(zmq.PUSH) as push:
            push.linger = 0
            push.connect(f"tcp://127.0.0.1:{b.port}")
            push.send_multipart([b"", b""])
            await asyncio.sleep(0.1)
        assert not b.relay.dropped.total()


@asynctest
async def test_with_a_secret_a_member_feeds_nobody_in_the_name_of_another() -> None:
    async with mesh("abc", secrets=SECRETS) as (a, b, c):
        extend(a.log(), *gops(25), leader=a.id)
        fetch = b.fetch(a.id)
        await until(lambda: b.logs[STREAM].head == at(26))
        media = Media(STREAM, next(iter(fetch.follower._links)), at(26), 0)
        run = Run(at(26), at(27), ((1, a.id),), 0, describe([video(26)]))
        forged = [encode(media), encode(run), video(26).payload]
        assert unpack(forged)
        await until(lambda: c.relay._pushes.send(b.id, forged, 0))
        await until(lambda: b.relay.dropped["forged"] == 1)
        assert b.logs[STREAM].head == at(26)
        await until(lambda: a.relay._pushes.send(b.id, forged, 0))
        await until(lambda: b.logs[STREAM].head == at(27))


@asynctest
async def test_a_taken_port_is_an_error_that_names_it_and_its_key() -> None:
    async with mesh("a") as (a,):
        with pytest.raises(ConfigError, match=f"mesh.listen: cannot listen on port {a.port} .*in use"):
            await Host("b", a.mesh).relay.start("127.0.0.1", a.port)


def descriptors() -> int:
    """How many files this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_open() -> None:
    async def relay_and_stop() -> None:
        async with mesh("abc") as (a, b, c):
            extend(a.log(), *gops(25, size=100_000), leader="a")
            b.fetch("a")
            c.fetch("b").switch("a")
            await until(lambda: b.logs[STREAM].head == c.logs[STREAM].head == at(26))

    asyncio.run(relay_and_stop())
    before = descriptors()
    for _ in range(5):
        asyncio.run(relay_and_stop())
    assert descriptors() == before
