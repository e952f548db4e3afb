"""Bytes that are nearly right: recorded RTMP sessions and HTTP requests, damaged at random."""

import random

import msgpack

from mesh.media.frame import Kind
from mesh.rtmp.client import ClientSession
from mesh.rtmp.event import PlayRequested, PublishRequested
from mesh.rtmp.session import ServerSession
from tests.e2e import flv, synthetic

NAME = "fuzz-00000000"
HANDSHAKE = 1 + 1536 + 1536
EDGES = (0, 1, 0x7F, 0x80, 0xFF)


def recorded(publish: bool) -> bytes:
    """All that a client says who publishes a second, or who plays."""
    client, server = ClientSession(random.Random(1)), ServerSession(random.Random(2))
    (client.publish if publish else client.play)(f"rtmp://127.0.0.1/live/{NAME}")
    said = b""
    while data := client.data_to_send():
        said += data
        for event in server.receive_data(data):
            if isinstance(event, PublishRequested):
                server.accept_publish()
            elif isinstance(event, PlayRequested):
                server.accept_play()
        client.receive_data(server.data_to_send())
    for tag in synthetic.stream(1) if publish else ():
        client.send(Kind(tag.kind), tag.timestamp, tag.payload)
    client.close()
    return said + client.data_to_send()


def posted() -> bytes:
    """A chunked POST of a second of FLV."""
    body = flv.HEADER + b"".join(tag.encode() for tag in synthetic.stream(1))
    head = f"POST /live/{NAME}.flv HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def mutated(data: bytes, number: int, noise: random.Random, begin: int = 0) -> bytes:
    """Damage a recording in one to eight places from `begin` on; `number` makes its stream one of its own."""
    damaged = bytearray(data.replace(NAME.encode(), b"fuzz-%08d" % number))
    for _ in range(noise.randint(1, 8)):
        # Near the beginning are the commands, whose damage goes furthest.
        place = min(begin + int(noise.expovariate(1 / 400)), len(damaged) - 1)
        noise.choice(DAMAGES)(damaged, max(place, 0), noise)
    return bytes(damaged)


def _flip(data: bytearray, place: int, noise: random.Random) -> None:
    data[place] ^= 1 << noise.randrange(8)


def _edge(data: bytearray, place: int, noise: random.Random) -> None:
    data[place] = noise.choice(EDGES)


def _remove(data: bytearray, place: int, noise: random.Random) -> None:
    del data[place + 1 : place + 1 + noise.randint(1, 40)]


def _repeat(data: bytearray, place: int, noise: random.Random) -> None:
    piece = data[place : place + noise.randint(1, 200)]
    data[place:place] = piece * noise.randint(1, 4)


def _insert(data: bytearray, place: int, noise: random.Random) -> None:
    data[place:place] = noise.randbytes(noise.randint(1, 40))


def _cut(data: bytearray, place: int, noise: random.Random) -> None:
    del data[place + 1 + noise.randrange(4000) :]


DAMAGES = (_flip, _flip, _edge, _edge, _remove, _repeat, _insert, _cut)


def message(noise: random.Random) -> bytes:
    """What could come from another node: msgpack of a plausible kind with implausible fields, or plain noise."""
    if noise.random() < 0.3:
        return noise.randbytes(noise.randint(0, 200))
    packed = bytearray(msgpack.packb([noise.randrange(96), *(_value(noise, 0) for _ in range(noise.randint(0, 12)))]))
    if noise.random() < 0.3:
        _flip(packed, noise.randrange(len(packed)), noise)
    return bytes(packed)


def _value(noise: random.Random, depth: int) -> object:
    makers = (
        lambda: noise.choice((0, 1, -1, 1 << 31, 1 << 63, noise.randrange(1 << 40))),
        lambda: noise.choice((0.0, -1.5, float("inf"), float("nan"))),
        lambda: noise.choice(("", "live/x", "0" * 32, "tcp://127.0.0.1:1", "\x00", "x" * 300)),
        lambda: noise.randbytes(noise.randint(0, 40)),
        lambda: noise.choice((None, True, False)),
        lambda: [_value(noise, depth + 1) for _ in range(noise.randint(0, 6))],
        lambda: {f"k{n}": _value(noise, depth + 1) for n in range(noise.randint(0, 4))},
    )
    return noise.choice(makers if depth < 3 else makers[:5])()
