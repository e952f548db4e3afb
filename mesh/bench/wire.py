"""Wires: the client's side of each protocol, without I/O: bytes to send, and tags out of those that come."""

import re
from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from mesh.media import flv
from mesh.media.flv import Tag
from mesh.media.frame import Kind
from mesh.rtmp.client import ClientSession
from mesh.rtmp.event import MessageReceived, PlayEnded, Published, PublishEnded, Rejected

MAX_HEAD = 64 << 10
PORTS = {"http": 80, "ws": 80, "rtmp": 1935}


class Redirected(Exception):
    """The server sends its client elsewhere; the argument is the URL."""


class Refused(Exception):
    """The server says no, or that it is over; the argument says why."""


class PlayWire(Protocol):
    """A player's connection."""

    def data_to_send(self) -> bytes:
        """Takes what is to be written."""

    def receive(self, data: bytes) -> Iterable[Tag]:
        """The tags that these bytes complete. Raises `Redirected`, `Refused` or `ProtocolError`."""


class PublishWire(Protocol):
    """A publisher's connection."""

    ready: bool
    """Whether the server has said yes."""

    def data_to_send(self) -> bytes:
        """Takes what is to be written."""

    def receive(self, data: bytes) -> None:
        """What the server says. Raises as a player's does."""

    def encode(self, tag: Tag) -> bytes:
        """A tag as it is sent; the same for all publishers of this kind."""


class HttpHead:
    """A request, and the head of its response."""

    def __init__(self, request: str, url: str, fields: dict[str, str]) -> None:
        self.url = url
        self.status = 0
        self.fields: dict[str, str] = {}
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{request} {target} HTTP/1.1", f"Host: {parts.netloc}", *(f"{k}: {v}" for k, v in fields.items())]
        self._to_send = "\r\n".join([*lines, "", ""]).encode()
        self._buffer = b""

    def data_to_send(self) -> bytes:
        data, self._to_send = self._to_send, b""
        return data

    def receive(self, data: bytes, *welcome: int) -> bytes:
        """What follows the head, once that is whole and has a welcome status."""
        self._buffer += data
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            if len(head) > MAX_HEAD:
                raise Refused(f"a head of {len(head)} bytes")
            return b""
        lines = head.decode("latin-1").split("\r\n")
        if not (status := re.fullmatch(r"HTTP/1\.[01] ([0-9]{3})( .*)?", lines[0])):
            raise Refused(f"no answer of HTTP: {lines[0][:40]!r}")
        self.status = int(status[1])
        self.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "location" in self.fields and self.status // 100 == 3:
            raise Redirected(urljoin(self.url, self.fields["location"]))
        if self.status not in welcome:
            raise Refused(f"HTTP {self.status}")
        return rest


class HttpPlay:
    """HTTP-FLV, plain or as binary messages of a WebSocket."""

    def __init__(self, url: str) -> None:
        websocket = url.startswith("ws:")
        key = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "bWVkaWFtZXNoLWJlbmNoIQ=="}
        fields = {"Connection": "Upgrade", **key} if websocket else {}
        self._head = HttpHead("GET", url, fields)
        self._welcome = 101 if websocket else 200
        self._body: Callable[[bytes], bytes] | None = None
        self._reader = flv.Reader()

    def data_to_send(self) -> bytes:
        return self._head.data_to_send()

    def receive(self, data: bytes) -> Iterable[Tag]:
        if self._body is None:
            data = self._head.receive(data, self._welcome)
            if not self._head.status:
                return ()
            chunked = self._head.fields.get("transfer-encoding", "").lower() == "chunked"
            self._body = Messages().feed if self._welcome == 101 else Chunked().feed if chunked else bytes
        return self._reader.feed(self._body(data))


class Chunked:
    """The body of chunks (RFC 9112, 7.1)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of whole chunks."""
        buffer, at, body = self._buffer + data, 0, b""
        while (line := buffer.find(b"\r\n", at)) >= 0:
            size = int(buffer[at:line].partition(b";")[0], 16)
            if len(buffer) < line + 4 + size:
                break
            if not size:
                raise Refused("the stream ended")
            body += buffer[line + 2 : line + 2 + size]
            at = line + 4 + size
        self._buffer = buffer[at:]
        return body


class Messages:
    """The payloads of a server's binary messages (RFC 6455, 5.2)."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of whole messages."""
        buffer, at, body = self._buffer + data, 0, b""
        while len(buffer) >= at + 2:
            size, start = buffer[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(buffer[at + 2 : start], "big")
            if len(buffer) < start + size:
                break
            if buffer[at] & 15 == 8:
                raise Refused("the stream ended")
            if buffer[at] & 15 < 3:
                body += buffer[start : start + size]
            at = start + size
        self._buffer = buffer[at:]
        return body


class RtmpPlay:
    """`play` over RTMP."""

    def __init__(self, url: str) -> None:
        self._session = ClientSession(Random())
        self._session.play(url)

    def data_to_send(self) -> bytes:
        return self._session.data_to_send()

    def receive(self, data: bytes) -> Iterable[Tag]:
        tags = []
        for event in self._session.receive_data(data):
            if type(event) is MessageReceived:
                tags.append(Tag(Kind(event.kind), event.timestamp, event.payload))
            elif isinstance(event, Rejected):
                raise Refused(event.code)
            elif isinstance(event, PlayEnded):
                raise Refused("the stream ended")
        return tags


class RawPlay:
    """Whatever comes over TCP, unasked: for a floor to compare with."""

    def __init__(self, url: str) -> None:
        pass

    def data_to_send(self) -> bytes:
        return b""

    def receive(self, data: bytes) -> Iterable[Tag]:
        return (Tag(Kind.VIDEO, 0, b"\x17\x01\0\0\0"),)


class HttpPublish:
    """`POST` of FLV in chunks; asks before it sends, and so can be redirected."""

    def __init__(self, url: str, chunk_size: int) -> None:
        fields = {"Transfer-Encoding": "chunked", "Content-Type": "video/x-flv", "Expect": "100-continue"}
        self._head = HttpHead("POST", url, fields)
        self.ready = self._begun = False

    def data_to_send(self) -> bytes:
        data = self._head.data_to_send()
        if self.ready and not self._begun:
            self._begun = True
            data += _chunk(flv.header(audio=True, video=True))
        return data

    def receive(self, data: bytes) -> None:
        if self.ready:
            raise Refused("the server ended it")
        self._head.receive(data, 100)
        self.ready = bool(self._head.status)

    def encode(self, tag: Tag) -> bytes:
        return _chunk(flv.encode(tag))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class RtmpPublish:
    """`publish` over RTMP."""

    def __init__(self, url: str, chunk_size: int) -> None:
        self._session = ClientSession(Random(), chunk_size=chunk_size)
        self._session.publish(url)
        self.ready = False

    def data_to_send(self) -> bytes:
        return self._session.data_to_send()

    def receive(self, data: bytes) -> None:
        for event in self._session.receive_data(data):
            if isinstance(event, Published):
                self.ready = True
            elif isinstance(event, Rejected):
                raise Refused(event.code)
            elif isinstance(event, PublishEnded):
                raise Refused("the server ended it")

    def encode(self, tag: Tag) -> bytes:
        return self._session.encode(*tag)


PLAY: dict[str, Callable[[str], PlayWire]] = {"http": HttpPlay, "ws": HttpPlay, "rtmp": RtmpPlay, "tcp": RawPlay}
PUBLISH: dict[str, Callable[[str, int], PublishWire]] = {"http": HttpPublish, "rtmp": RtmpPublish}
