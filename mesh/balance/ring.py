"""Ring: nodes in the order of their ids, which are hashes.

A client or a stream that is hashed to a point of it meets the same nodes there whoever looks, and almost the same ones
when some come or go.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice


def rank(*words: str) -> str:
    """A number that has nothing to do with these words but is always the same for them, written like a node's id."""
    return blake2b(" ".join(words).encode(), digest_size=16).hexdigest()


def turned(ring: Sequence[str], point: str) -> Iterator[str]:
    """The ring from this point on, once around."""
    start = bisect_left(ring, point)
    return chain(islice(ring, start, None), islice(ring, start))
