"""Strangers, and members that mean harm: ZMTP by hand (RFCs 23, 26), because libzmq would not say such things."""

import ctypes
import os
import socket
import struct
from functools import cache
from itertools import count
from pathlib import Path

import zmq
from zmq.utils import z85

STRANGER = "127.0.0.66"
"""Where they come from; those who mean well are at 127.0.0.1."""
MORE, LONG, COMMAND = 1, 2, 4
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"%b" + bytes(32)


def frame(flags: int, body: bytes) -> bytes:
    """A frame of ZMTP."""
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body


def connected(port: int, source: str = STRANGER) -> socket.socket:
    """A connection over which nothing has been said."""
    return socket.create_connection(("127.0.0.1", port), 5, (source, 0))


def introduced(port: int, kind: bytes, source: str = STRANGER) -> socket.socket:
    """A connection over which a socket of this type has introduced itself, as one without a secret would."""
    connection = connected(port, source)
    connection.sendall(GREETING % b"NULL".ljust(20, b"\0"))
    connection.sendall(frame(COMMAND, b"\x05READY" + _metadata(kind)))
    heard = b""
    while b"READY" not in heard and (data := connection.recv(4096)):
        heard += data
    return connection


class Sealed:
    """A connection of one who has the secret."""

    def __init__(self, port: int, kind: bytes, server: bytes, source: str = STRANGER) -> None:
        """`server` is the cluster's public key."""
        self.connection = connected(port, source)
        self._numbers = count(1)
        server = z85.decode(server)
        (self._mine, self._mine_secret), (long, long_secret) = _pair(), _pair()
        self.connection.sendall(GREETING % b"CURVE".ljust(20, b"\0"))
        number, box = self._seal(b"CurveZMQHELLO---", bytes(64), server, self._mine_secret)
        hello = b"\x05HELLO\x01\x00" + bytes(72) + self._mine + number + box
        self.connection.sendall(frame(COMMAND, hello))
        self._read(64)
        welcome = self._read_frame()
        opened = _open(b"WELCOME-" + welcome[8:24], welcome[24:], server, self._mine_secret)
        self._theirs, cookie = opened[:32], opened[32:]
        vouch = os.urandom(16)
        claim = long + vouch + _box(b"VOUCH---" + vouch, self._mine + server, self._theirs, long_secret)
        number, box = self._seal(b"CurveZMQINITIATE", claim + _metadata(kind), self._theirs, self._mine_secret)
        self.connection.sendall(frame(COMMAND, b"\x08INITIATE" + cookie + number + box))
        self._read_frame()

    def encode(self, flags: int, body: bytes) -> bytes:
        """A frame of a message."""
        number, box = self._seal(b"CurveZMQMESSAGEC", bytes([flags]) + body, self._theirs, self._mine_secret)
        return frame(0, b"\x07MESSAGE" + number + box)

    def _seal(self, prefix: bytes, text: bytes, public: bytes, secret: bytes) -> tuple[bytes, bytes]:
        number = next(self._numbers).to_bytes(8, "big")
        return number, _box(prefix + number, text, public, secret)

    def _read_frame(self) -> bytes:
        flags, size = self._read(2)
        if flags & LONG:
            size = int.from_bytes(bytes([size]) + self._read(7), "big")
        return self._read(size)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                raise ConnectionError("hung up")
            data += more
        return data


def _metadata(kind: bytes) -> bytes:
    return b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind


def _pair() -> tuple[bytes, bytes]:
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


@cache
def _sodium() -> ctypes.CDLL:
    """The library that pyzmq came with."""
    [path] = Path(zmq.__file__).parents[1].glob("pyzmq.libs/libsodium*")
    return ctypes.CDLL(str(path))


def _box(nonce: bytes, text: bytes, public: bytes, secret: bytes) -> bytes:
    box = ctypes.create_string_buffer(len(text) + 16)
    assert _sodium().crypto_box_easy(box, text, ctypes.c_ulonglong(len(text)), nonce, public, secret) == 0
    return box.raw


def _open(nonce: bytes, box: bytes, public: bytes, secret: bytes) -> bytes:
    text = ctypes.create_string_buffer(len(box) - 16)
    assert _sodium().crypto_box_open_easy(text, box, ctypes.c_ulonglong(len(box)), nonce, public, secret) == 0
    return text.raw
