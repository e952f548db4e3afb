"""Lies: messages of which something is not as it should be."""

from collections.abc import Sequence
from random import Random

import msgpack

from mesh.media.wire import encode

VALUES = (0, -1, 1 << 62, "", "x" * 300, b"", b"\xff" * 16, None, [], 1.5, True)


def mutated(random: Random, message: object, values: Sequence[object] = ()) -> bytes:
    """A message in which one to three fields, at any depth, are these values or other edges."""
    array = msgpack.unpackb(encode(message))
    for _ in range(random.randint(1, 3)):
        place = array
        while isinstance(deeper := random.choice(place or [0]), list) and deeper:
            place = deeper
        if place:
            place[random.randrange(len(place))] = random.choice([*VALUES, *values])
    return bytes(msgpack.packb(array))
