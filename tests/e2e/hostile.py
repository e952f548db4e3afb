"""Strangers and members that mean harm, in a process of their own: `python -m tests.e2e.hostile TARGET ATTACK ...`.

A stranger speaks ZMTP by hand, because libzmq would not say such things. A member is a true one, whose sockets say what
its gossip never would. TARGET is JSON.
"""

import asyncio
import errno
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle
from socket import socket

import zmq

from mesh import config
from mesh.config import Address
from mesh.gossip.member import Load
from mesh.gossip.message import Beat, Bye, Delta, Hello, Pull, Snap, Sync
from mesh.media.wire import encode
from mesh.net.gossip import Gossip
from mesh.net.security import Options, _cluster_key
from mesh.net.state import State, id_of
from tests.net.asynctest import until
from tests.net.stranger import MORE, Sealed, connected, frame, introduced

PART = 60_000
"""Bytes that are not too many for one frame."""


@dataclass(frozen=True)
class Target:
    """The node that is attacked, another of its mesh, and for how long."""

    port: int
    id: str
    gossip: int
    """The other's port for gossip."""
    other: str
    """The other's id."""
    mesh: str
    secret: str
    directory: str
    seconds: float
    connections: int
    subscriptions: int
    source: str = "127.0.0.66"
    """Where the attack comes from; those who mean well are at 127.0.0.1."""

    @property
    def control(self) -> Address:
        return Address("127.0.0.1", self.port)

    def until(self, share: float = 1.0) -> Iterator[int]:
        """Count, for as long as this attack lasts."""
        end, number = time.monotonic() + self.seconds * share, 0
        while time.monotonic() < end:
            yield number
            number += 1


class Speaker:
    """A connection to one of the target's ports, of one who has the secret where there is one."""

    def __init__(self, target: Target, place: int, kind: bytes) -> None:
        self._seal: Sealed | None = None
        port = target.port + place
        if target.secret:
            self._seal = Sealed(port, kind, zmq.curve_public(_cluster_key(target.secret)), target.source)
        self.connection: socket = self._seal.connection if self._seal else introduced(port, kind, target.source)

    def say(self, flags: int, body: bytes, times: int = 1) -> None:
        """Send frames. Raises `OSError` if nobody listens any more."""
        encode = self._seal.encode if self._seal else frame
        self.connection.sendall(b"".join(encode(flags, body) for _ in range(times)))


async def endless(target: Target) -> str:
    """A message that never ends, to each port that takes messages, and when that is closed another."""
    return _insist(target, MORE, bytes(PART), 1)


async def empty(target: Target) -> str:
    """The same of empty parts, which take far more memory than bytes on the wire."""
    return _insist(target, MORE, b"", 10_000)


async def parts(target: Target) -> str:
    """Messages of ten thousand parts."""
    return _insist(target, MORE, b"", 10_000, last=b"end")


async def oversized(target: Target) -> str:
    """Frames that say they are a gigabyte, and begin to be one."""
    sent = 0
    for _, (place, kind) in zip(target.until(), cycle(enumerate((b"DEALER", b"SUB", b"PUSH"))), strict=False):
        with suppress(OSError), introduced(target.port + place, kind, target.source) as connection:
            connection.sendall(b"\x02" + (1 << 30).to_bytes(8, "big"))
            for _ in range(64):
                connection.sendall(bytes(1 << 20))
                sent += 1
    return f"{sent} MiB"


async def subscriptions(target: Target) -> str:
    """To hundreds of thousands of things."""
    sub = zmq.Context().socket(zmq.SUB)
    sub.sndhwm = 0
    if target.secret:  # a subscriber is the one who serves with the cluster's key
        sub.curve_server, sub.curve_secretkey = True, _cluster_key(target.secret)
    sub.connect(f"tcp://{target.source}:0;127.0.0.1:{target.port + 1}")
    for _ in range(target.subscriptions):
        sub.subscribe(secrets.token_bytes(32))
    await asyncio.sleep(target.seconds)
    sub.close(0)
    return f"{target.subscriptions} subscriptions"


async def connections(target: Target) -> str:
    """As many as the system gives, and none says a word."""
    held = []
    for number in range(target.connections):
        with suppress(OSError):
            held.append(connected(target.port + number % 3, target.source))
    await asyncio.sleep(target.seconds)
    return f"{len(held)} connections"


async def noise(target: Target) -> str:
    """Messages that make no sense, and some that take much to be understood."""
    bodies = [os.urandom(300), b"\xdc\x10\x00" + b"\x91\x80" * 30_000, b"\x93\x01\x01\xdc\x0f\xff" + b"\x90" * 60_000]
    async with _member(target) as me:
        return await _tell(target, cycle(bodies), me)


async def giant(target: Target) -> str:
    """More entries, and longer ones, than a node may have."""
    changes = tuple((f"s/{n}", 1000 + n, "x" * 30) for n in range(1000))
    ids = tuple((f"{n:032x}", "b" * 16, 1, 1) for n in range(1000))
    async with _member(target) as me:
        snaps = [Snap(me.id, me.card.boot, 1 << 40, part, 64, changes) for part in range(64)]
        return await _tell(target, cycle(map(encode, [Delta(0, 1 << 40, changes), Sync(ids, False), *snaps])), me)


async def greedy(target: Target) -> str:
    """Ask for all there is, again and again."""
    async with _member(target) as me:
        ids = [(member.id, member.card.boot) for member in me.tables.members.values() if member.id != me.id]
        return await _tell(target, cycle([encode(Pull(*who, -1)) for who in ids]), me)


async def forged(target: Target) -> str:
    """Goodbyes, and all else, in another's name."""
    async with _member(target) as me:
        member = me.tables.members[target.other]
        stranger = bytes.fromhex(member.id + member.card.boot)
        beat = Beat(1 << 40, 500, 1 << 40, 0, 1, 1000, Load(mem=1.0))
        gone = Delta(0, 1 << 40, ())
        return await _tell(target, cycle(map(encode, [Bye(), beat, gone])), me, stranger)


async def impostor(target: Target) -> str:
    """Hellos under the target's own id, of a process later than it."""
    async with _member(target) as me:
        card = replace(me.card, id=target.id, boot="f" * 16, incarnation=1 << 50)
        hello = Hello(target.mesh, 1, card, Beat(1, 500, 1, 0, 1, 1000, Load()), str(target.control))
        return await _tell(target, cycle([encode(hello)]), me, bytes.fromhex(card.id + card.boot))


async def replay(target: Target) -> str:
    """What the other has said, said again."""
    async with _member(target) as me:
        heard: list[bytes] = []
        sub = me._context.socket(zmq.SUB)
        for option, value in me.security.serving().items():
            sub.set(option, value)
        sub.subscribe(b"")
        sub.connect(f"tcp://127.0.0.1:{target.gossip}")
        while len(heard) < 3:
            with suppress(zmq.Again):
                heard.append(sub.recv(zmq.NOBLOCK))
            await asyncio.sleep(0.01)
        sub.close(0)
        return await _tell(target, cycle(frame[24:] for frame in heard), me, heard[0][:24])


async def stuffing(target: Target) -> str:
    """Members that do not exist."""
    made = 0
    async with _member(target) as me:
        for _ in target.until():
            public, secret = zmq.curve_keypair()
            card = replace(me.card, id=id_of(public), boot=secrets.token_hex(8), name=f"x{made}", incarnation=1)
            hello = Hello(target.mesh, 1, card, Beat(1, 500, 1, 0, 1, 1000, Load()), str(target.control))
            options = me.security.dialling()
            if target.secret:
                options |= {zmq.CURVE_PUBLICKEY: public, zmq.CURVE_SECRETKEY: secret}
            try:
                dealer = _dealer(me, target, options)
            except zmq.ZMQError as error:
                if error.errno != errno.EMFILE:
                    raise
                await asyncio.sleep(0.01)  # the last ones are not closed yet
                continue
            dealer.linger = 100
            dealer.send(bytes.fromhex(card.id + card.boot) + encode(hello))
            dealer.close()
            made += 1
            await asyncio.sleep(0)
    return f"{made} members"


def _insist(target: Target, flags: int, body: bytes, times: int, last: bytes = b"") -> str:
    """Say this again and again to each port, on a new connection whenever one is closed."""
    said = 0
    for place, kind in ((0, b"DEALER"), (2, b"PUSH")):
        speaker = None
        for _ in target.until(0.5):
            try:
                speaker = speaker or Speaker(target, place, kind)
                speaker.say(flags, body, times)
                if last:
                    speaker.say(0, last)
                said += times
            except OSError:
                speaker = None
    return f"{said} parts"


async def _tell(target: Target, bodies: Iterator[bytes], me: Gossip, envelope: bytes = b"") -> str:
    """Send these as a member does, in its own name unless another is given."""
    dealer = _dealer(me, target, me.security.dialling())
    told = 0
    for number, body in zip(target.until(), bodies, strict=False):
        with suppress(zmq.Again):
            dealer.send((envelope or me._wires._envelope) + body, zmq.NOBLOCK)
            told += 1
        if number % 100 == 0:
            await asyncio.sleep(0)
    dealer.close(0)
    return f"{told} messages"


def _dealer(me: Gossip, target: Target, options: Options) -> zmq.Socket[bytes]:
    """A socket on which a member says what it likes."""
    dealer = me._context.socket(zmq.DEALER)
    dealer.linger = 0
    for option, value in options.items():
        dealer.set(option, value)
    dealer.connect(f"tcp://{target.source}:0;{target.control}")
    return dealer


@asynccontextmanager
async def _member(target: Target) -> AsyncIterator[Gossip]:
    """A node that the target has met."""
    given = {
        "node.name": "hostile",
        "node.data_dir": target.directory,
        "mesh.name": target.mesh,
        "mesh.seeds": str(target.control),
        "mesh.listen": "127.0.0.1:0",
        "mesh.mdns": "false",
    }
    environ = {"MESH_SECRET": target.secret} if target.secret else {}
    settings, _ = config.load(None, [f"{key}={value}" for key, value in given.items()], environ)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    gossip = Gossip(settings, State.open(settings), context, 1935, 8080)
    await gossip.start()
    try:
        await until(lambda: target.other in gossip.tables.members)
        yield gossip
    finally:
        await gossip.stop()


STRANGERS = (endless, empty, parts, oversized, subscriptions, connections)
MEMBERS = (noise, giant, greedy, forged, impostor, replay, stuffing)
ATTACKS: dict[str, Callable[[Target], Awaitable[str]]] = {attack.__name__: attack for attack in STRANGERS + MEMBERS}


async def main(target: Target, *attacks: str) -> None:
    """One after the other, each from another address, and what came of it."""
    for number, name in enumerate(attacks, 66):
        print(f"{name}: {await ATTACKS[name](replace(target, source=f'127.0.0.{number}'))}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Target(**json.loads(sys.argv[1])), *sys.argv[2:]))
    os._exit(0)  # its sockets are in no state to be closed in good order
