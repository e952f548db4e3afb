"""GeoIP: the city, country and continent of an address, by the database that `balance.geoip` names.

Databases in MaxMind's format are read where they are; without one nothing of this is needed, not even the package.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from mesh.errors import ConfigError

Places = Callable[[str], Iterator[str]]
"""The places of an address, the narrowest first, as `balance.zones` calls them."""


def places_by(path: str) -> Places:
    """By the database in this file; nowhere is anything without one. Raises `ConfigError`."""
    if not path:
        return lambda ip: iter(())
    try:
        maxminddb = import_module("maxminddb")
        database = maxminddb.open_database(path)
    except ImportError:
        raise ConfigError("balance.geoip: the package maxminddb is missing: .venv/bin/pip install maxminddb") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(f"balance.geoip: {path}: {(reason or str(error)).lower()}") from None

    def places(ip: str) -> Iterator[str]:
        try:
            record = database.get(ip.partition("%")[0])
        except ValueError:
            return
        for kind, way in PATHS:
            if name := _at(record, way):
                yield f"{kind}:{name}"

    return places


PATHS = (
    ("city", ("city", "names", "en")),
    ("country", ("country", "iso_code")),
    ("continent", ("continent", "code")),
)
"""Where a record has the names that zones go by."""


def _at(record: Any, way: tuple[str, ...]) -> str:
    """What is there in nested maps; "" where they end before."""
    for key in way:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, str) else ""
