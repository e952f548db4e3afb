"""Keep: what a stream's leader, or the API, asks of a node for the sake of players to come."""

from dataclasses import dataclass

from mesh.media.wire import message


@message(80)
@dataclass(frozen=True, slots=True)
class Keep:
    """Hold this stream for so long, whether or not anybody plays it; said again and again by who still wants it."""

    stream: str
    seconds: float
