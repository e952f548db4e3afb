"""Request: a client that asks this node for a stream."""

from dataclasses import dataclass
from enum import StrEnum

STAYS = frozenset({"rtmp", "rtmps", "ws", "wss"})
"""Protocols whose clients follow no redirect."""


class Action(StrEnum):
    """What the client wants."""

    PLAY = "play"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class Request:
    """A client that asks this node for a stream."""

    stream: str
    action: Action = Action.PLAY
    proto: str = "flv"
    zone: str = ""
    """Where the client is; empty if nobody knows."""
    via: str = ""
    """The node that sent it here: it is not sent on."""
    redirect: bool = True
    """Whether it may be sent to another node."""
    sid: str = ""
    """Names a session: all its requests go to the same node as long as they can."""
    over: str = ""
    """The node whose publisher of the stream gives way to this one."""
    explain: bool = False
    """Whether every node is to be judged, or no more than it takes to decide."""

    @property
    def tied(self) -> str:
        """Why the client cannot be sent on; empty if it can."""
        if self.proto in STAYS:
            return f"{self.proto} clients follow no redirect"
        if self.via:
            return "it was redirected here"
        return "" if self.redirect else "it asked for no redirect"
