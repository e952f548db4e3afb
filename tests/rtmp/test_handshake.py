import hmac
from random import Random

import pytest

from mesh.errors import RTMPError
from mesh.rtmp import handshake
from mesh.rtmp.handshake import PLAYER, PLAYER_VERSION, SERVER, SIZE, SUFFIX, Handshake
from tests.rtmp.recorded import opening


def packets(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Version, first and second packet of one side."""
    return data[:1], data[1 : 1 + SIZE], data[1 + SIZE :]


def finish(side: Handshake, *received: bytes) -> list[bytes]:
    """Hand a side what it needs; what it sends."""
    sent, needed = next(side)
    out = [sent]
    for packet in received:
        assert needed == len(packet)
        try:
            sent, needed = side.send(packet)
            out.append(sent)
        except StopIteration:
            needed = 0
    assert needed == 0
    return out


def found(packet: bytes, software: bytes) -> tuple[int, bytes]:
    """Scheme and digest of a packet that has them."""
    place = handshake.find_digest(packet, software)
    assert place is not None
    return place


def proves(packet: bytes, digest: bytes, software: bytes) -> bool:
    """Whether the end of a C2 or S2 is as a party that has seen this digest writes it."""
    key = hmac.digest(software + SUFFIX, digest, "sha256")
    return packet[-32:] == hmac.digest(key, packet[:-32], "sha256")


@pytest.mark.parametrize("scheme", [None, 0, 1])
def test_client_and_server_shake_hands(scheme: int | None) -> None:
    client = handshake.client(Random(1), scheme)
    server = handshake.server(Random(2))
    c0, c1, _ = packets(next(client)[0])
    assert next(server) == (b"", 1)
    assert server.send(c0) == (b"", SIZE)
    reply, needed = server.send(c1)
    s0, s1, s2 = packets(reply)
    assert (len(s2), needed) == (SIZE, SIZE)
    assert client.send(s0) == (b"", SIZE)
    c2, needed = client.send(s1)
    assert (len(c2), needed) == (SIZE, SIZE)
    if scheme is None:
        assert (s2, c2) == (c1, s1)
        assert s1[4:8] == c1[4:8] == bytes(4)
    else:
        (c_scheme, c_digest), (s_scheme, s_digest) = found(c1, PLAYER), found(s1, SERVER)
        assert c_scheme == s_scheme == scheme
        assert proves(s2, c_digest, SERVER)
        assert proves(c2, s_digest, PLAYER)


def test_nginx_proves_itself_as_we_do() -> None:
    c1 = handshake.with_digest(PLAYER_VERSION, PLAYER, 1, Random(7))
    _, s1, s2 = packets(opening("nginx-reply"))
    _, digest = found(c1, PLAYER)
    assert proves(s2, digest, SERVER)
    assert found(s1, SERVER)[0] == 0  # whatever the scheme of C1
    assert sum(s1[8:12]) > 728


def test_the_digest_of_ffmpeg_is_found() -> None:
    _, c1, _ = packets(opening("ffmpeg-publish")[: 1 + SIZE])
    assert found(c1, PLAYER)[0] == 0


@pytest.mark.parametrize("name", ["librtmp-play", "gstreamer-play"])
def test_librtmp_and_gstreamer_are_echoed(name: str) -> None:
    c0, c1, c2 = packets(opening(name)[: 1 + 2 * SIZE])
    _, _, reply = finish(handshake.server(Random(2)), c0, c1, c2)
    assert packets(reply)[2] == c1


def test_what_a_client_says_last_is_not_held_against_it() -> None:
    server = handshake.server(Random(2))
    assert len(finish(server, b"\3", bytes(SIZE), b"?" * SIZE)) == 3


def test_a_client_takes_an_echo_for_its_digest() -> None:
    s1 = Random(5).randbytes(SIZE)
    _, _, c2 = finish(handshake.client(Random(1), 0), b"\3", s1, bytes(SIZE))
    assert c2 == s1


@pytest.mark.parametrize("side", [handshake.server, handshake.client])
@pytest.mark.parametrize(("version", "shown"), [(b"\6", "0x06"), (b"G", "0x47"), (b"\x16", "0x16")])
def test_any_other_version_is_an_error(side: type[Handshake], version: bytes, shown: str) -> None:
    with pytest.raises(RTMPError, match=f"handshake begins with {shown}, expected 0x03"):
        finish(side(Random(1)), version)


def test_a_digest_that_is_off_by_one_bit_is_none() -> None:
    for scheme in (0, 1):
        packet = bytearray(handshake.with_digest(PLAYER_VERSION, PLAYER, scheme, Random(3)))
        packet[1000] ^= 1
        assert handshake.find_digest(bytes(packet), PLAYER) is None
