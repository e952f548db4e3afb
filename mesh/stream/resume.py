"""Resume: where a player goes on that was served before, by whichever node.

Its position travels as text, EPOCH.LEADER.N: it means the same on every node, and nothing on one whose log of that
epoch another node began.
"""

import re

from mesh.errors import StreamError
from mesh.media.frame import EPOCH_SHIFT, Entry, Position
from mesh.stream.log import StreamLog

WRITTEN = r"([0-9]{1,9})\.([0-9a-f]{32})\.([0-9]{1,10})"


def written(position: Position) -> str:
    """A position as text."""
    return f"{position.epoch}.{position.leader}.{position.offset & ((1 << EPOCH_SHIFT) - 1)}"


def read(text: str) -> Position | None:
    """A position from text; None if it is empty. Raises `StreamError` for anything else."""
    if not text:
        return None
    match = re.fullmatch(WRITTEN, text)
    if match is None:
        raise StreamError(f"offset={text[:60]}, expected EPOCH.LEADER.N as X-Mesh-Position has it")
    epoch, leader, number = match.groups()
    return Position(int(epoch), leader, int(epoch) << EPOCH_SHIFT | int(number))


def place(log: StreamLog, position: Position | None) -> Entry | None:
    """Where to go on, with the headers in force there; the newest entry if the log does not hold the position."""
    before = log.entry_before(position.offset) if position and log.holds(position) else None
    if position is None or before is None:
        return log.entry
    since = [frame for frame in log.read(before.offset, 1 << 40).frames if frame.offset < position.offset]
    return Entry(position.offset, (*before.headers, *(frame for frame in since if frame.config)))


def ahead(log: StreamLog, position: Position | None) -> bool:
    """Whether the log may still get there: its newest epoch is that of the position, which is beyond its end.

    A node that died may have sent its players more than those had got whom it fed.
    """
    end = log.position
    return bool(position and end and position[:2] == end[:2] and position.offset > end.offset)


def told(log: StreamLog, entry: Entry | None) -> dict[str, str]:
    """What a player is told of where it starts, in HTTP: the position of the frame after so many headers."""
    if entry is None:
        return {}
    number = entry.offset >> EPOCH_SHIFT
    leader = next(epoch.leader for epoch in log.epochs if epoch.number == number)
    position = written(Position(number, leader, entry.offset))
    return {
        "X-Mesh-Position": f"{position}; headers={len(entry.headers)}",
        "Access-Control-Expose-Headers": "X-Mesh-Position",
    }
