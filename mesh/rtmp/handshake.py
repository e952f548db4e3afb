"""The handshake: three packets each way, either an echo or (digest) a proof of who made the software.

Each side is a generator: it yields what to send and how many bytes it needs next, and is sent those bytes. Adobe
published the echo (RTMP 1.0, 5.2). Its own software, and what imitates that, prefers the digest: of the 1536 bytes of
C1 and S1, 32 are an HMAC-SHA256 of the others, at a place that four of them tell; C2 and S2 end with one that is keyed
by the peer's digest. There are two schemes for the place.
"""

import hmac
from collections.abc import Generator
from random import Random

from mesh.errors import RTMPError

SIZE = 1536
"""Bytes of C1, C2, S1 and S2."""
VERSION = b"\x03"
"""C0 and S0: RTMP in the clear."""

SCHEMES = (8, 772)
"""By scheme, where the four bytes are that tell the digest's place: their sum modulo 728, counted from behind them."""
DIGEST_SIZE = 32

SUFFIX = bytes.fromhex("f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae")
"""What follows the names below where they are the key to C2 and S2."""

PLAYER = b"Genuine Adobe Flash Player 001"
SERVER = b"Genuine Adobe Flash Media Server 001"

PLAYER_VERSION = bytes([10, 0, 32, 18])
SERVER_VERSION = bytes([3, 5, 1, 1])
"""What stands at byte 4 of C1 and S1 when they carry a digest; zeros otherwise."""

Handshake = Generator[tuple[bytes, int], bytes, None]


def server(random: Random) -> Handshake:
    """The server's side, which answers in the form that the client chose."""
    _check_version((yield b"", 1))
    c1 = yield b"", SIZE
    place = find_digest(c1, PLAYER)
    if place is None:
        s1, s2 = bytes(8) + random.randbytes(SIZE - 8), c1
    else:
        scheme, digest = place
        s1 = with_digest(SERVER_VERSION, SERVER, scheme, random)
        s2 = answer(digest, SERVER, random)
    # C2 is not looked at: some clients send what they like, and it would prove nothing to us.
    yield VERSION + s1 + s2, SIZE


def client(random: Random, scheme: int | None = 0) -> Handshake:
    """The client's side, with a digest in scheme 0 or 1 or, for None, the echo."""
    if scheme is None:
        c1 = bytes(8) + random.randbytes(SIZE - 8)
    else:
        c1 = with_digest(PLAYER_VERSION, PLAYER, scheme, random)
    _check_version((yield VERSION + c1, 1))
    s1 = yield b"", SIZE
    place = find_digest(s1, SERVER) if scheme is not None else None
    yield answer(place[1], PLAYER, random) if place else s1, SIZE


def find_digest(packet: bytes, software: bytes) -> tuple[int, bytes] | None:
    """The scheme and the digest of a C1 or S1, or None if it carries none."""
    for scheme in range(len(SCHEMES)):
        at = _place(packet, scheme)
        digest = packet[at : at + DIGEST_SIZE]
        if hmac.compare_digest(digest, _digest(packet, at, software)):
            return scheme, digest
    return None


def with_digest(version: bytes, software: bytes, scheme: int, random: Random) -> bytes:
    """A C1 or S1 with a digest in it."""
    packet = bytes(4) + version + random.randbytes(SIZE - 8)
    at = _place(packet, scheme)
    return packet[:at] + _digest(packet, at, software) + packet[at + DIGEST_SIZE :]


def answer(digest: bytes, software: bytes, random: Random) -> bytes:
    """The C2 or S2 that proves to have seen the peer's digest."""
    body = random.randbytes(SIZE - DIGEST_SIZE)
    key = hmac.digest(software + SUFFIX, digest, "sha256")
    return body + hmac.digest(key, body, "sha256")


def _place(packet: bytes, scheme: int) -> int:
    start = SCHEMES[scheme]
    return start + 4 + sum(packet[start : start + 4]) % 728


def _digest(packet: bytes, at: int, software: bytes) -> bytes:
    return hmac.digest(software, packet[:at] + packet[at + DIGEST_SIZE :], "sha256")


def _check_version(version: bytes) -> None:
    if version != VERSION:
        raise RTMPError(f"handshake begins with 0x{version.hex()}, expected 0x03 (RTMP in the clear)")
