"""Door: the connections that others make to a socket of this node.

libzmq takes all that come, and says of one that fails only why, not who. Its monitor names the descriptor of each, so
their hosts are known, a host that has too many gets no more, and one that does not pass is named.
"""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable

import zmq

from mesh.control.cause import Cause
from mesh.net.addresses import text
from mesh.net.dials import cause_of
from mesh.net.sockets import Socket

MOST = 256
"""Connections of one host to one socket."""
EVENTS = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_DISCONNECTED
)
STRIKES = {Cause.HUNG_UP: 1, Cause.HUNG_UP_PLAIN: 1}
"""How much a failure counts. Hanging up is what a probe of the port does, too."""
STRIKE = 4
OUT = 8
"""When a host is named: never after one failure, for a descriptor may be another's by the time its event is read."""
FORGIVEN_S = 100.0
"""Between two failures that have nothing to do with each other."""
MAX_STRUCK = 1000


class Door:
    """Who stands at one listening socket."""

    def __init__(
        self,
        listener: Socket,
        sealed: bool,
        failed: Callable[[str, Cause], None],
        barred: Callable[[str], bool] = lambda host: False,
    ) -> None:
        """`sealed` says whether this node has a secret; `failed` gets the host of who does not pass, and why."""
        self.refused = 0
        """Connections that were one too many, or from a host that is barred."""
        self._sealed = sealed
        self._failed = failed
        self._barred = barred
        self._hosts: dict[int, str] = {}
        self._open: Counter[str] = Counter()
        self._cause: Cause | None = None
        self._strikes: dict[str, tuple[int, float]] = {}
        listener.watch(EVENTS, self._told)

    def __len__(self) -> int:
        return len(self._hosts)

    def _told(self, event: int, value: int, endpoint: str) -> None:
        if event == zmq.EVENT_ACCEPTED:
            self._enter(value, int(endpoint.rpartition(":")[2]))
        elif event != zmq.EVENT_DISCONNECTED:
            self._cause = cause_of(event, value, self._sealed)  # of the connection whose end is the next event
        else:
            cause, self._cause = self._cause, None
            host = self._leave(value)
            if cause and host:
                self._strike(host, cause)

    def _enter(self, descriptor: int, port: int) -> None:
        try:
            with socket.socket(fileno=os.dup(descriptor)) as connection:
                if connection.getsockname()[1] != port:
                    return
                host = text(connection.getpeername()[0])
                if self._open[host] >= MOST or self._barred(host):
                    self.refused += 1
                    connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # gone already
        self._hosts[descriptor] = host
        self._open[host] += 1

    def _leave(self, descriptor: int) -> str | None:
        host = self._hosts.pop(descriptor, None)
        if host:
            self._open[host] -= 1
            if not self._open[host]:
                del self._open[host]
        return host

    def _strike(self, host: str, cause: Cause) -> None:
        now = asyncio.get_running_loop().time()
        strikes, last = self._strikes.pop(host, (0, now))
        strikes = STRIKES.get(cause, STRIKE) + (strikes if now < last + FORGIVEN_S else 0)
        self._strikes[host] = strikes, now
        if len(self._strikes) > MAX_STRUCK:
            del self._strikes[next(iter(self._strikes))]
        if strikes >= OUT:
            self._failed(host, cause)
