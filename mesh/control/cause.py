"""Causes: why two nodes do not meet, in words that go into the log and into `meshctl doctor`."""

from enum import StrEnum


class Cause(StrEnum):
    """What a node finds wrong with another, as the end of a sentence that begins with the other's address."""

    SECRET = "has another secret than this node"
    NO_SECRET = "has no secret, and this node has one"
    SEALED = "has a secret, and this node has none"
    HUNG_UP = "hangs up on this node: most likely it has another secret, or none"
    HUNG_UP_PLAIN = "hangs up on this node: most likely it has a secret, and this node has none"
    PUBLIC = "is met over a public address, and that takes a secret"
    MESH = "belongs to another mesh"
    PROTOCOL = "speaks another version of the protocol"
    FOREIGN = "is no node of a mesh"
    ENDLESS = "sends without end: it is cut off for a minute"

    @property
    def suspect(self) -> str:
        """What to look at, in a word."""
        return SUSPECTS[self]


SUSPECTS = {
    **dict.fromkeys((Cause.SECRET, Cause.NO_SECRET, Cause.SEALED, Cause.HUNG_UP, Cause.HUNG_UP_PLAIN), "secret"),
    Cause.PUBLIC: "secret",
    Cause.MESH: "mesh name",
    Cause.PROTOCOL: "protocol version",
    Cause.FOREIGN: "port",
    Cause.ENDLESS: "host",
}
