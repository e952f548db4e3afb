"""State: how a fetch stands."""

from enum import StrEnum


class State(StrEnum):
    """How a fetch stands."""

    OPENING = "opening"
    OPEN = "open"
    """Reported again when the path has changed."""
    MOVED = "moved"
    """The supplier has named another, which is being opened."""
    LOST = "lost"
    """The supplier does not answer, or not sensibly; it is tried again and again, but another may be better."""
    GONE = "gone"
    """The supplier does not serve the stream, and is asked no more; who turns out to be ahead takes its place."""
    CLOSED = "closed"
