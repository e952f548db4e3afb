"""Writer: chunks in every form that a client may choose: the counterpart of the reader, for its tests."""

from random import Random

from mesh.rtmp.chunk import EXTENDED, basic_header
from mesh.rtmp.message import WRAP, Message

WITHOUT_HEADER = Message(0, 0, 0, b"")


class Writer:
    """Cuts messages into chunks."""

    def __init__(self, chunk_size: int = 128, repeats: bool = True) -> None:
        self.chunk_size = chunk_size
        self.repeats = repeats
        """Whether chunks of type 3 repeat the extended timestamp."""
        self._last: dict[int, tuple[Message, int]] = {}

    def chunks(self, message: Message, csid: int, form: int = 0) -> list[bytes]:
        """The chunks of a message, the first of this type or, where it would lose something, of the next one."""
        last, last_field = self._last.get(csid, (WITHOUT_HEADER, 0))
        delta = (message.timestamp - last.timestamp) % WRAP
        if last is WITHOUT_HEADER or last.stream_id != message.stream_id:
            form = 0
        elif (last.kind, len(last.payload)) != (message.kind, len(message.payload)):
            form = min(form, 1)
        elif delta != last_field:
            form = min(form, 2)
        field = delta if form else message.timestamp
        self._last[csid] = message, field
        extended = field.to_bytes(4, "big") if field >= EXTENDED else b""
        header = self._header(message, field, form) + (extended if form < 3 or self.repeats else b"")
        further = basic_header(3, csid) + (extended if self.repeats else b"")
        size = self.chunk_size
        pieces = [message.payload[at : at + size] for at in range(0, len(message.payload), size)] or [b""]
        return [basic_header(form, csid) + header + pieces[0], *[further + piece for piece in pieces[1:]]]

    def _header(self, message: Message, field: int, form: int) -> bytes:
        parts = [
            min(field, EXTENDED).to_bytes(3, "big"),
            len(message.payload).to_bytes(3, "big") + bytes([message.kind]),
            message.stream_id.to_bytes(4, "little"),
        ]
        return b"".join(parts[: 3 - form])


def interleaved(random: Random, chunks: list[list[bytes]]) -> bytes:
    """The chunks of several chunk streams in some order, each stream's own kept."""
    turns = [number for number, queue in enumerate(chunks) for _ in queue]
    random.shuffle(turns)
    queues = [iter(queue) for queue in chunks]
    return b"".join([next(queues[turn]) for turn in turns])


def split(random: Random, data: bytes) -> list[bytes]:
    """These bytes in pieces as a network might hand them out."""
    ends = sorted(random.choices(range(len(data) + 1), k=random.randint(0, 9)))
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]
