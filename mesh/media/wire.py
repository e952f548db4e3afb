"""Messages between nodes: dataclasses that travel as msgpack arrays and are checked strictly on arrival.

A message is `[kind, field, field, ...]`. What a field may hold follows from its annotation, so a decoder is never
written by hand: int, float, str, bytes, bool, `T | None`, `tuple[T, ...]`, `tuple[A, B]`, `dict[str, T]` and nested
dataclasses (arrays too). Fields that a newer node appended are ignored, fields that an older one does not know take
their default: nodes of two versions talk to each other.
"""

import dataclasses
import math
import reprlib
import types
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgpack

from mesh.errors import WireError

MAX_MESSAGE = 1 << 16
"""Bytes that one encoded message may have."""

LIMITS = {
    "max_array_len": 4096,
    "max_map_len": 1024,
    "max_str_len": 4096,
    "max_bin_len": 1 << 16,
    "max_ext_len": 0,
}
"""What msgpack may build; without these, 1 MiB of empty maps costs 74 MiB."""

T = TypeVar("T")
Check = Callable[[Any, str], Any]
SCALARS = (int, float, str, bytes, bool)
_kinds: dict[int, type] = {}


def message(kind: int) -> Callable[[type[T]], type[T]]:
    """Make a frozen dataclass a message of this number (gossip takes 1 to 31, relay 32 to 63, control 64 to 95)."""

    def register(cls: type[T]) -> type[T]:
        if kind in _kinds:
            raise ValueError(f"kind {kind} is {_kinds[kind].__name__} already")
        cls.__kind__ = kind  # type: ignore[attr-defined]
        _kinds[kind] = cls
        return cls

    return register


def encode(message: Any) -> bytes:
    """The bytes of a message."""
    return msgpack.packb([message.__kind__, *_values(message)], default=_values)  # type: ignore[no-any-return]


def decode(data: bytes | memoryview, limit: int = MAX_MESSAGE) -> Any:
    """The message in these bytes. Raises `WireError` for anything that is not one."""
    if len(data) > limit:
        raise WireError(f"message of {len(data)} bytes, expected no more than {limit}")
    try:
        array = msgpack.unpackb(data, strict_map_key=True, **LIMITS)
    except (ValueError, TypeError, RecursionError) as error:
        raise WireError(f"message of {len(data)} bytes is not msgpack: {str(error) or type(error).__name__}") from None
    if not isinstance(array, list) or not array or type(array[0]) is not int:
        raise WireError(f"message is {_brief(array)}, expected an array that begins with its kind")
    cls = _kinds.get(array[0])
    if cls is None:
        raise WireError(f"message of unknown kind {array[0]}")
    return _dataclass(cls)(array[1:], cls.__name__)


def _values(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in dataclasses.fields(value)]


def _brief(value: object) -> str:
    text = reprlib.repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


@cache
def _dataclass(cls: type) -> Check:
    hints = get_type_hints(cls)
    fields = [(field.name, _check(hints[field.name])) for field in dataclasses.fields(cls)]
    needed = sum(
        field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        for field in dataclasses.fields(cls)
    )

    def check(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) < needed:
            raise WireError(f"{where} is {_brief(value)}, expected an array of {needed} or more")
        return cls(*[check(item, f"{where}.{name}") for (name, check), item in zip(fields, value, strict=False)])

    return check


def _check(hint: Any) -> Check:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = [arg for arg in args if arg is not type(None)]
        return _optional(_check(inner))
    if origin is tuple:
        return _sequence(_check(args[0])) if args[1:] == (...,) else _row([_check(arg) for arg in args])
    if origin is dict:
        return _mapping(_check(args[1]))
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint)  # type: ignore[arg-type]
    return _scalar(hint)


def _scalar(cls: type) -> Check:
    if cls not in SCALARS:
        raise TypeError(f"{cls} in a message, expected one of the annotations that messages know")

    def check(value: Any, where: str) -> Any:
        if cls is float and type(value) is int:
            value = float(value)
        if type(value) is not cls or (type(value) is float and not math.isfinite(value)):
            raise WireError(f"{where} is {_brief(value)}, expected {cls.__name__}")
        return value

    return check


def _optional(inner: Check) -> Check:
    return lambda value, where: None if value is None else inner(value, where)


def _sequence(inner: Check) -> Check:
    def check(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise WireError(f"{where} is {_brief(value)}, expected an array")
        return tuple([inner(item, where) for item in value])

    return check


def _row(inner: list[Check]) -> Check:
    def check(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != len(inner):
            raise WireError(f"{where} is {_brief(value)}, expected an array of {len(inner)}")
        return tuple([check(item, where) for check, item in zip(inner, value, strict=True)])

    return check


def _mapping(inner: Check) -> Check:
    def check(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise WireError(f"{where} is {_brief(value)}, expected a map")
        return {_key(key, where): inner(item, f"{where}[{_brief(key)}]") for key, item in value.items()}

    return check


def _key(key: Any, where: str) -> str:
    if type(key) is not str:
        raise WireError(f"{where} has the key {_brief(key)}, expected a string")
    return key
