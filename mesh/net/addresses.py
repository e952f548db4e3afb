"""Addresses: those of this host that others may reach, and those of others that may be trusted without a secret."""

import asyncio
import ipaddress
import logging
import socket
from functools import lru_cache

import psutil

from mesh.config import Address

log = logging.getLogger("mesh.discovery")

VIRTUAL = ("docker", "br-", "veth", "virbr", "cni", "podman", "lxc", "flannel", "cali")
"""Interfaces whose addresses mean something on this host only."""
LOOPBACK = "lo"
TUNNELS = [ipaddress.ip_network(network) for network in ("2001::/32", "2002::/16")]
"""Networks that are not the internet's own, but by which anybody may come from it: Teredo and 6to4."""
_last: list[str] = []
"""What was found when this host's interfaces were last looked at."""

IP = ipaddress.IPv4Address | ipaddress.IPv6Address


def usable() -> list[str]:
    """The addresses of this host, best first: private, global, link-local, loopback; of each IPv4 before IPv6."""
    return [host for host in _hosts() if "%" not in host]


def on_the_lan() -> list[str]:
    """Those by which its neighbours reach it; if there are none, those of IPv6 that are good for one link only."""
    found = [host for host in _hosts() if not plain(host).is_loopback]
    return [host for host in found if "%" not in host] or found


def outward(interface: str) -> bool:
    """Whether an interface of this name leads to other hosts."""
    return interface != LOOPBACK and not interface.startswith(VIRTUAL)


def trusted(host: str) -> bool:
    """Whether a peer may be met here although the mesh has no secret: on this host, or on a private network."""
    try:
        ip = plain(host)
    except ValueError:
        return False
    return not ip.is_global and not any(ip in tunnel for tunnel in TUNNELS)


def is_ip(host: str) -> bool:
    """Whether this is an address, not a name."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def plain(host: str) -> IP:
    """An address as it is, not as IPv4 inside IPv6, and without a scope. Raises `ValueError`."""
    ip = ipaddress.ip_address(host.partition("%")[0])
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


@lru_cache(4096)
def text(host: str) -> str:
    """The same in writing. Raises `ValueError`."""
    return str(plain(host))


def _hosts() -> list[str]:
    try:
        stats = psutil.net_if_stats()
        found = {
            address.address
            for name, addresses in psutil.net_if_addrs().items()
            if (outward(name) or name == LOOPBACK) and name in stats and stats[name].isup
            for address in addresses
            if address.family in (socket.AF_INET, socket.AF_INET6)
        }
    except OSError:  # out of descriptors: then they are what they were
        return [*_last]
    _last[:] = sorted(found, key=lambda host: _rank(plain(host)))
    return [*_last]


def _rank(ip: IP) -> tuple[int, int, int]:
    order = (not ip.is_global, ip.is_global, ip.is_link_local, ip.is_loopback)
    return max(rank for rank, fits in enumerate(order) if fits), ip.version, int(ip)


async def resolve(address: Address) -> list[Address]:
    """The addresses that this one's name means now; itself if it is none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        log.debug("%s means nothing: %s", address, error)
        return []
    return list(dict.fromkeys([Address(str(host), address.port) for *_, (host, *_) in found]))
