"""Ports: the three that a node has for other nodes, one after the other."""

from mesh.config import Address, Config
from mesh.errors import ConfigError
from mesh.net.listen import NEXT, listen, port_of

PORTS = 3
"""Control, gossip and media."""


def free_ports(config: Config) -> tuple[int, int, int]:
    """The ports to listen on: those configured, any with port 0, the next free ones if nobody configured any.

    Raises `ConfigError` if one is taken.
    """
    host, port = Address.parse(config.mesh.listen)
    tries = NEXT if port and "mesh.listen" not in config.given else 1
    for base in range(port, port + tries * PORTS, PORTS):
        try:
            return _free(host, base)
        except ConfigError as error:
            reason = error
    raise reason


def _free(host: str, base: int) -> tuple[int, int, int]:
    """Hold three ports at once to see that they are free, and let go of them for others to bind."""
    held = []
    try:
        for number in range(PORTS):
            held.append(listen("mesh.listen", str(Address(host, base + number if base else 0))))
        control, gossip, media = map(port_of, held)
        return control, gossip, media
    finally:
        for socket in held:
            socket.close()
