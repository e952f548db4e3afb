"""Listening sockets: taken before anything else starts, so that a port that is not free is one clear error."""

import errno
import socket

from mesh.config import Address
from mesh.errors import ConfigError

BACKLOG = 4096
GONE_S, PROBE_S = 20, 5
"""Seconds after which a client is given up whose host acknowledges nothing, and between the questions whether it is
there. Otherwise one that lost its power or its network would stay for ever, as long as it has nothing to get."""
NEXT = 20
"""How many ports are tried for a node that nobody configured."""


def listen(key: str, address: str, roam: bool = False, patience_s: float = 0) -> socket.socket:
    """A socket that listens on `host:port`; `roam` takes one of the next ports if that one is taken.

    Its clients are given up when they have acknowledged nothing for 20 s, or twice `patience_s` if that is longer.

    Raises `ConfigError` naming the port and the configuration's key. Clients may connect at once, and wait until
    somebody accepts.
    """
    host, port = Address.parse(address)
    for candidate in range(port, port + (NEXT if roam and port else 1)):
        try:
            return _hold(_listen(host, candidate), max(GONE_S, 2 * patience_s))
        except OSError as error:
            reason = error
            if error.errno != errno.EADDRINUSE:
                break
    raise ConfigError(f"{key}: cannot listen on port {port} ({address}): {reason.strerror or reason}")


def _listen(host: str, port: int) -> socket.socket:
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def _hold(listener: socket.socket, gone_s: float) -> socket.socket:
    """Have the kernel look after the connections that it will accept."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 2 * PROBE_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_S)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * gone_s))
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port
