"""Zones: which networks and places are in which, and what traffic between them costs."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any

from mesh.config.rule import WORD, Rule

Prefix = tuple[int, int, int]
"""A network: the version of IP, its length, and as many bits of its address."""

PLACE = r"city:[^\0\n]+|country:[A-Z]{2}|continent:[A-Z]{2}"
"""As `mesh.net.geoip` calls them; a city by its English name."""
MOST_COST = 1e6


def prefix(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int) -> Prefix:
    """The network of this length that an address is in."""
    return ip.version, length, int(ip) >> (ip.max_prefixlen - length)


def _zone(entry: tuple[str, Any]) -> tuple[Prefix | str, str]:
    place, zone = entry
    if not re.fullmatch(WORD, zone):
        raise ValueError
    if re.fullmatch(PLACE, place):
        return place, zone
    network = ipaddress.ip_network(place)
    return prefix(network.network_address, network.prefixlen), zone


def _cost(entry: tuple[str, Any]) -> tuple[tuple[str, str], float]:
    way, cost = entry
    ends = re.fullmatch(f"({WORD})>({WORD})", way)
    if not ends or type(cost) not in (int, float) or not 0 <= cost <= MOST_COST:
        raise ValueError
    return (ends[1], ends[2]), float(cost)


Zones = Annotated[
    Mapping[Prefix | str, str],
    Rule(
        dict, 'a zone for a network like "10.1.0.0/16" or a place: "city:Berlin", "country:DE", "continent:EU"', _zone
    ),
]
Costs = Annotated[
    Mapping[tuple[str, str], float], Rule(dict, 'a number from 0 to 1000000 for two zones like "fra>ams"', _cost)
]
