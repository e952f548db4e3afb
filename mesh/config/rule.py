"""What a key may hold: addresses, sizes, spans of time, and how each is read.

The type of a field is `Annotated` with its rule, so a section reads like the manual and nothing else lists its keys.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, Self

MESH_PORT = 7400
"""Where a node listens for others; a seed without a port means this one."""

RATES = {"b/s": 1, "kb/s": 10**3, "Mb/s": 10**6, "Gb/s": 10**9}
UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}

WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"


class Address(NamedTuple):
    """A host and a port; the host "" is every address of this machine."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, port: int | None = None) -> Self:
        """Read "host:port", "[v6]:port" or, where a default `port` is given, the host alone. Raises `ValueError`."""
        match = re.fullmatch(r"(?:\[([^][]*:[^][]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?", text)
        v6, host, digits = match.groups() if match else (text, None, None)
        number = port if digits is None else int(digits)
        if number is None or number > 65535:
            raise ValueError(f"{text!r} is no address")
        return cls(_host(v6 or host or ""), number)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Rule(NamedTuple):
    """What a key may hold."""

    toml: type
    """How TOML writes it: str, list (of strings), bool, float (which takes integers) or dict, a table."""
    expected: str
    """The end of the sentence "cache.bytes is 7, expected ..."."""
    read: Callable[[Any], Any] = lambda value: value
    """The value for the dataclass; of a table, of each (key, value). Raises `ValueError` if it does not fit."""


def _host(text: str) -> str:
    if ":" in text or re.fullmatch("[0-9.]+", text):
        return str(ipaddress.ip_address(text))
    if not re.fullmatch(r"([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.|$))*", text):
        raise ValueError(f"{text!r} is no host")
    return text


def _listen(most: int = 65535) -> Callable[[str], str]:
    def read(text: str) -> str:
        if Address.parse(text).port > most:
            raise ValueError
        return text

    return read


def _seeds(seeds: list[str]) -> tuple[str, ...]:
    for seed in seeds:
        if not Address.parse(seed, MESH_PORT).host:
            raise ValueError
    return tuple(seeds)


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text)
    if not match or match[2] not in UNITS or (size := int(match[1]) * UNITS[match[2]]) < 1 << 16:
        raise ValueError
    return size


def _rate(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,3})?) ?([kMG]?b/s)", text)
    if not match and text:
        raise ValueError
    return round(float(match[1]) * RATES[match[2]]) if match else 0


def _matches(pattern: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return read


def _between(least: float, most: float) -> Callable[[float], float]:
    def read(number: float) -> float:
        if not least <= number <= most:
            raise ValueError
        return float(number)

    return read


Switch = Annotated[bool, Rule(bool, "true or false")]
Seconds = Annotated[float, Rule(float, "seconds from 0 to 86400", _between(0, 86_400))]
Pause = Annotated[float, Rule(float, "seconds from 0.1 to 86400", _between(0.1, 86_400))]
Millis = Annotated[float, Rule(float, "milliseconds from 0 to 10000", _between(0, 10_000))]
Size = Annotated[int, Rule(str, 'a size of 64KiB or more, like "32MiB"', _size)]
Rate = Annotated[int, Rule(str, 'bits in a second like "1Gb/s" or "2.5 Gb/s", or ""', _rate)]
Word = Annotated[str, Rule(str, "a word of up to 63 letters, digits and . _ -", _matches(WORD))]
Label = Annotated[str, Rule(str, 'a word of up to 63 letters, digits and . _ -, or ""', _matches(f"({WORD})?"))]
Path = Annotated[str, Rule(str, "a path", _matches(r"[^\0]*"))]
Host = Annotated[str, Rule(str, "a host name or an address without port", _host)]
Listen = Annotated[str, Rule(str, 'an address like ":8080", "10.0.0.1:8080" or "[::1]:8080"', _listen())]
MeshListen = Annotated[
    str, Rule(str, 'an address like ":7400", its port at most 65533 (the next two too)', _listen(65533))
]
Seeds = Annotated[tuple[str, ...], Rule(list, 'a list of hosts like ["10.0.0.1", "b.example:7400"]', _seeds)]
