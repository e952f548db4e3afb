"""A stranger, who speaks ZMTP by hand, because libzmq would not say such things."""

import socket

STRANGER = "127.0.0.66"
"""Where he comes from; those who mean well are at 127.0.0.1."""
MORE, COMMAND, LONG = 1, 4, 2
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"%b" + bytes(32)


def frame(flags: int, body: bytes) -> bytes:
    """A frame of ZMTP 3.0."""
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body


def connected(port: int, host: str = "127.0.0.1", source: str = STRANGER) -> socket.socket:
    """A connection over which nothing has been said."""
    return socket.create_connection((host, port), 5, (source, 0))


def introduced(port: int, kind: bytes, host: str = "127.0.0.1", source: str = STRANGER) -> socket.socket:
    """A connection over which a socket of this type has introduced itself, as one without a secret would."""
    connection = connected(port, host, source)
    connection.sendall(GREETING % b"NULL".ljust(20, b"\0"))
    connection.sendall(frame(COMMAND, b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind))
    heard = b""
    while b"READY" not in heard and (data := connection.recv(4096)):
        heard += data
    return connection
