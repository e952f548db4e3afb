"""A client session and a server session joined in memory."""

from random import Random

from mesh.rtmp.client import ClientSession
from mesh.rtmp.event import Event
from mesh.rtmp.session import ServerSession

METADATA = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09"


class Pair:
    """Both ends of one connection."""

    def __init__(self, scheme: int | None = 0) -> None:
        self.client = ClientSession(Random(1), scheme)
        self.server = ServerSession(Random(2))

    def exchange(self) -> tuple[list[Event], list[Event]]:
        """Carry bytes to and fro until both are silent; what each side was told."""
        at_client: list[Event] = []
        at_server: list[Event] = []
        while True:
            there = self.client.data_to_send()
            at_server += self.server.receive_data(there)
            back = self.server.data_to_send()
            at_client += self.client.receive_data(back)
            if not there and not back:
                return at_client, at_server

    def call(self, name: str, *arguments: object, transaction: float = 9) -> list[Event]:
        """Have the client call the server; what the server is told."""
        self.client._call(name, transaction, *arguments)  # type: ignore[arg-type]
        return self.exchange()[1]

    def send(self, kind: int, payload: bytes, timestamp: int = 0) -> list[Event]:
        """Have the client send a message of any type; what the server is told."""
        self.client._connection.send(kind, payload, timestamp, 1)
        return self.exchange()[1]


def publishing(scheme: int | None = 0) -> Pair:
    """A client that publishes live/cam."""
    pair = Pair(scheme)
    pair.client.publish("rtmp://h/live/cam?token=abc")
    pair.exchange()
    pair.server.accept_publish()
    pair.exchange()
    return pair


def playing() -> Pair:
    """A client that plays live/cam."""
    pair = Pair()
    pair.client.play("rtmp://h/live/cam?token=abc")
    pair.exchange()
    pair.server.accept_play()
    pair.exchange()
    return pair
