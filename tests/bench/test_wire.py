import pytest

from mesh.bench.wire import Chunked, HttpHead, HttpPlay, HttpPublish, Messages, Redirected, Refused
from mesh.media import flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind
from mesh.stream.rendition import websocket_preamble

TAGS = [Tag(Kind.VIDEO, 40 * number, bytes([0x17, 1]) + bytes(size)) for number, size in enumerate((5, 200, 70000))]
FLV = flv.header(audio=False, video=True) + b"".join(map(flv.encode, TAGS))


def message(data: bytes) -> bytes:
    size = len(data)
    return b"\x82" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + data


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


BODIES = {
    "plain": ("http://h/live/x.flv", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + FLV),
    "chunked": (
        "http://h/live/x.flv",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(FLV, 1000)),
    ),
    "websocket": (
        "ws://h/live/x.flv",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
        + websocket_preamble(False, True)
        + b"\x89\x01?"
        + b"".join(map(message, pieces(FLV[13:], 60000))),
    ),
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("body", BODIES)
def test_tags_come_out_however_they_were_wrapped_and_cut(body, size):
    url, data = BODIES[body]
    wire = HttpPlay(url)
    assert wire.data_to_send().startswith(b"GET /live/x.flv HTTP/1.1\r\nHost: h\r\n")
    assert [tag for piece in pieces(data, size) for tag in wire.receive(piece)] == TAGS


def test_a_redirect_is_told_with_its_url():
    wire = HttpPlay("http://h:1/live/x.flv?token=t")
    with pytest.raises(Redirected, match=r"^http://h:1/live/y\.flv$"):
        list(wire.receive(b"HTTP/1.1 302 Found\r\nLocation: /live/y.flv\r\n\r\n"))


def test_a_refusal_is_told_with_its_status():
    with pytest.raises(Refused, match="HTTP 404"):
        HttpPlay("http://h/live/x.flv").receive(b"HTTP/1.1 404 Not Found\r\n\r\n")


def test_the_end_of_a_body_is_an_end():
    with pytest.raises(Refused, match="ended"):
        Chunked().feed(b"2\r\nab\r\n0\r\n\r\n")
    with pytest.raises(Refused, match="ended"):
        Messages().feed(b"\x88\x02\x03\xe8")


def test_a_head_without_end_is_refused():
    with pytest.raises(Refused, match="a head of"):
        HttpHead("GET", "http://h/", {}).receive(bytes(70_000))


def test_a_publisher_sends_nothing_before_it_may():
    wire = HttpPublish("http://h/live/x", 4096)
    assert b"Expect: 100-continue" in wire.data_to_send() and not wire.ready
    wire.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert wire.ready
    sent = wire.data_to_send() + b"".join(map(wire.encode, TAGS))
    assert Chunked().feed(sent)[13:] == FLV[13:]


@pytest.mark.parametrize("line", ["220 smtp ready", "nothing", "HTTP/1.1", ""])
def test_an_answer_that_is_no_http_is_refused(line):
    with pytest.raises(Refused, match="no answer of HTTP"):
        HttpPlay("http://h/live/x.flv").receive(f"{line}\r\n\r\n".encode())
