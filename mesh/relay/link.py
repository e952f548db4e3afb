"""Link: one attempt of a follower to be fed."""

from mesh.media.frame import Position
from mesh.relay.credit import Window
from mesh.relay.message import AskHead, Close, Credit, Open


class Link:
    """A place in a supplier's feed, asked for or granted."""

    __slots__ = ("_asked", "_stream", "id", "next", "opened", "since", "supplier", "window")

    def __init__(self, stream: str, id: int, supplier: str, position: Position | None, width: int, now: float) -> None:
        """`width` is that of its first window."""
        self.id = id
        self.supplier = supplier
        self.next = position.offset if position else 0
        """What `Media.after` has to be."""
        self.opened = False
        self.since = now
        self.window = Window(width)
        self._stream = stream
        self._asked = Open(stream, id, position, self.window.total)

    def question(self) -> Open | AskHead:
        """What to ask the supplier: to open it, and once it is open, when there is silence, for its head."""
        return AskHead(self._stream, self.id) if self.opened else self._asked

    def credit(self, rtt_s: float, rate: float) -> Credit:
        """A full window; `rate` is in bytes per second."""
        return Credit(self._stream, self.id, self.window.grant(rtt_s, rate))

    def close(self) -> Close:
        """The end."""
        return Close(self._stream, self.id)
