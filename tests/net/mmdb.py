"""Small databases in MaxMind's format (version 2.0), as far as tests need it."""

import ipaddress
import struct
from typing import Any

MARKER = b"\xab\xcd\xefMaxMind.com"
STRING, UINT16, UINT32, MAP, ARRAY, UINT64 = 2, 5, 6, 7, 11, 9


def database(records: dict[str, Any]) -> bytes:
    """A database that knows these networks; of two that overlap, the longer comes later."""
    tree: list[list[Any]] = [[None, None]]
    data, offsets = b"", {}
    for network, record in records.items():
        offsets[network] = len(data)
        data += _encode(record)
        _plant(tree, ipaddress.ip_network(network), offsets[network])
    size = len(tree)

    def pointer(branch: Any) -> int:
        if branch is None:
            return size
        return branch[0] if isinstance(branch, tuple) else size + 16 + branch

    nodes = b"".join(struct.pack(">II", *map(pointer, node)) for node in tree)
    metadata = {
        "binary_format_major_version": (UINT16, 2),
        "binary_format_minor_version": (UINT16, 0),
        "build_epoch": (UINT64, 1_700_000_000),
        "database_type": "Test",
        "description": {"en": "a test"},
        "ip_version": (UINT16, 6),
        "languages": ["en"],
        "node_count": (UINT32, size),
        "record_size": (UINT16, 32),
    }
    return nodes + bytes(16) + data + MARKER + _encode(metadata)


def _plant(tree: list[list[Any]], network: ipaddress.IPv4Network | ipaddress.IPv6Network, offset: int) -> None:
    """IPv4 stands at ::/96."""
    bits = format(int(network.network_address), "0128b")
    length = network.prefixlen + (96 if network.version == 4 else 0)
    at = 0
    for depth, bit in enumerate(map(int, bits[:length])):
        if depth == length - 1:
            tree[at][bit] = offset
        elif isinstance(tree[at][bit], tuple):
            (at,) = tree[at][bit]
        else:
            tree.append([tree[at][bit]] * 2)
            tree[at][bit] = (len(tree) - 1,)
            at = len(tree) - 1


def _encode(value: Any) -> bytes:
    if isinstance(value, tuple):
        kind, number = value
        return _control(kind, (number.bit_length() + 7) // 8) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if isinstance(value, str):
        return _control(STRING, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _control(ARRAY, len(value)) + b"".join(map(_encode, value))
    return _control(MAP, len(value)) + b"".join(_encode(key) + _encode(item) for key, item in value.items())


def _control(kind: int, size: int) -> bytes:
    assert size < 285
    head, rest = (size, b"") if size < 29 else (29, bytes([size - 29]))
    return bytes([head if kind > 7 else kind << 5 | head]) + (bytes([kind - 7]) if kind > 7 else b"") + rest
