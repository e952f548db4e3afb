"""The addresses under which clients reach nodes and streams."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlencode

from mesh.config import Address
from mesh.gossip.member import Member
from mesh.gossip.tables import Tables

FORMS = {
    "flv": ("http", ".flv"),
    "rtmp": ("rtmp", ""),
    "ws": ("ws", ".flv"),
}
"""The scheme of each protocol, and how its paths end."""


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether a host means another machine to everyone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(1024)
def is_name(host: str) -> bool:
    """Whether a host is no address: an operator chose it (`mesh.advertise`)."""
    try:
        return not ipaddress.ip_address(host)
    except ValueError:
        return True


def node_url(member: Member, scheme: str, tables: Tables, asked: str) -> str:
    """Where a client finds a node; `asked` is the host by which it found this one, and so all of this machine."""
    ours = member.id == tables.me or is_loopback(member.address)
    first = next(iter(member.card.addresses), "127.0.0.1")
    host = (asked if ours else first if is_name(first) else member.address) or first
    port = member.card.rtmp if scheme == "rtmp" else member.card.http
    return f"{scheme}://{Address(host, port)}"


def stream_url(
    member: Member, stream: str, proto: str, tables: Tables, asked: str, query: Sequence[tuple[str, str]] = ()
) -> str:
    """Where a client finds a stream at a node."""
    scheme, ending = FORMS[proto]
    question = f"?{urlencode(query)}" if query else ""
    return f"{node_url(member, scheme, tables, asked)}/{stream}{ending}{question}"
