"""Catalog: the logs that this node holds, by stream key, under one budget."""

import re
from collections.abc import Iterator

from mesh.config import CacheConfig
from mesh.errors import StreamError
from mesh.stream.log import Budget, StreamLog

KEY = re.compile(r"[\w.~-]+(/[\w.~-]+)+", re.ASCII)
MAX_KEY = 200
TAKEN = {"api", "static", "watch"}
"""Where the node's own pages are."""


def checked_key(app: str, name: str) -> str:
    """The key "APP/NAME". Raises `StreamError` if it is not one that URLs, tables and metrics can all carry."""
    key = f"{app}/{name}"
    if len(key) > MAX_KEY or not KEY.fullmatch(key) or any(part.strip(".") == "" for part in key.split("/")):
        raise StreamError(
            f"stream {key[:MAX_KEY]!r}, expected APP/NAME of letters, digits, '.', '_', '~' and '-', "
            f"at most {MAX_KEY} in all"
        )
    if app in TAKEN:
        raise StreamError(f"stream {key!r}: expected another APP than {app}, where the node's own pages are")
    return key


class Catalog:
    """The logs of a node."""

    def __init__(self, cache: CacheConfig) -> None:
        self.budget = Budget(cache.total)
        self._cache = cache
        self._logs: dict[str, StreamLog] = {}

    def __iter__(self) -> Iterator[StreamLog]:
        return iter(list(self._logs.values()))

    def get(self, key: str) -> StreamLog | None:
        """The log of a stream, if this node holds one."""
        return self._logs.get(key)

    def open(self, key: str) -> StreamLog:
        """The log of a stream, a new one if need be."""
        log = self._logs.get(key)
        if log is None:
            log = self._logs[key] = self.apart(key)
        return log

    def apart(self, key: str) -> StreamLog:
        """A log beside that of the stream, for one who may be needed in it; to be closed by who has asked for it."""
        return StreamLog(key, self._cache.seconds, self._cache.bytes, self.budget)

    def drop(self, key: str) -> None:
        """Hold it no more."""
        self._logs.pop(key).close()
