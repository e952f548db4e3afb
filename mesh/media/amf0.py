"""AMF0 values as Python values.

    number          float            null            None
    boolean         bool             undefined       UNDEFINED
    string          str              strict array    list
    object          dict             date            Date
    ECMA array      EcmaArray        typed object    TypedObject

A long string is a str of more than 65535 bytes. References, AMF3 (avmplus) and the markers that the specification
reserves are refused. What a peer may make us build is bounded by the size of its bytes and by their depth.
"""

import struct
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from mesh.errors import MediaError

MAX_BYTES = 1 << 20
"""Bytes that `decode` takes: enough for the keyframe index of a film, too little to hurt."""
MAX_DEPTH = 16
"""Objects and arrays within each other."""

Value = Any

NUMBER, BOOLEAN, STRING, OBJECT = 0x00, 0x01, 0x02, 0x03
NULL, UNDEFINED_MARKER, ECMA_ARRAY, OBJECT_END = 0x05, 0x06, 0x08, 0x09
STRICT_ARRAY, DATE, LONG_STRING, TYPED_OBJECT = 0x0A, 0x0B, 0x0C, 0x10

REFUSED = {
    0x04: "movie clip",
    0x07: "reference",
    0x0D: "unsupported",
    0x0E: "record set",
    0x0F: "XML document",
    0x11: "AMF3 value",
}


class Undefined(Enum):
    """The type of `UNDEFINED`."""

    UNDEFINED = "undefined"


UNDEFINED = Undefined.UNDEFINED


class EcmaArray(dict[str, Value]):
    """An object that announces about how many properties it has; `onMetaData` carries one."""


class TypedObject(dict[str, Value]):
    """An object of a named class."""

    def __init__(self, name: str, properties: Mapping[str, Value]) -> None:
        super().__init__(properties)
        self.name = name


class Date(NamedTuple):
    """A moment: milliseconds since 1970, and a time zone in minutes, which the specification wants to be 0."""

    ms: float
    zone: int = 0


def decode(data: bytes, limit: int = MAX_BYTES) -> list[Value]:
    """All values in these bytes. Raises `MediaError` for anything that is not AMF0."""
    if len(data) > limit:
        raise MediaError(f"AMF0 of {len(data)} bytes, expected no more than {limit}")
    reader = Reader(data)
    values = []
    while reader.at < len(data):
        values.append(reader.value())
    return values


def encode(*values: Value) -> bytes:
    """The bytes of these values, one after the other."""
    return b"".join(map(_encode, values))


class Reader:
    """Reads one value after the other; for those who want the first few and not the rest."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.depth = 0

    def value(self) -> Value:
        """The next value."""
        start = self.at
        marker = self._unpack(_UINT8)
        read = _READ.get(marker)
        if read is None:
            raise MediaError(f"AMF0 {REFUSED.get(marker, 'marker')} 0x{marker:02x} at byte {start} is not supported")
        return read(self)

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise MediaError(f"AMF0 ends at byte {len(self.data)}, expected {size} bytes from byte {self.at} on")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def _unpack(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _boolean(self) -> bool:
        return bool(self._unpack(_UINT8))

    def _string(self, size: struct.Struct) -> str:
        # Encoders put names in local character sets here; a stranger's spelling is no reason to drop the stream.
        return self._take(self._unpack(size)).decode("utf-8", "replace")

    def _date(self) -> Date:
        return Date(self._unpack(_DOUBLE), self._unpack(_INT16))

    def _ecma_array(self) -> EcmaArray:
        self._unpack(_UINT32)  # the count is a hint, which some encoders leave at 0
        return EcmaArray(self._properties())

    def _typed_object(self) -> TypedObject:
        return TypedObject(self._string(_UINT16), self._properties())

    def _strict_array(self) -> list[Value]:
        count = self._unpack(_UINT32)
        if count > len(self.data) - self.at:
            raise MediaError(f"AMF0 array of {count} values in the {len(self.data) - self.at} bytes that are left")
        self._descend()
        values = [self.value() for _ in range(count)]
        self.depth -= 1
        return values

    def _properties(self) -> dict[str, Value]:
        self._descend()
        properties = {}
        while (key := self._string(_UINT16)) or self.data[self.at : self.at + 1] != bytes([OBJECT_END]):
            properties[key] = self.value()
        self.at += 1
        self.depth -= 1
        return properties

    def _descend(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise MediaError(f"AMF0 nested more than {MAX_DEPTH} deep at byte {self.at}")


_UINT8, _UINT16, _UINT32 = struct.Struct(">B"), struct.Struct(">H"), struct.Struct(">I")
_INT16, _DOUBLE = struct.Struct(">h"), struct.Struct(">d")

_READ: dict[int, Callable[[Reader], Value]] = {
    NUMBER: lambda reader: reader._unpack(_DOUBLE),
    BOOLEAN: Reader._boolean,
    STRING: lambda reader: reader._string(_UINT16),
    OBJECT: Reader._properties,
    NULL: lambda reader: None,
    UNDEFINED_MARKER: lambda reader: UNDEFINED,
    ECMA_ARRAY: Reader._ecma_array,
    STRICT_ARRAY: Reader._strict_array,
    DATE: Reader._date,
    LONG_STRING: lambda reader: reader._string(_UINT32),
    TYPED_OBJECT: Reader._typed_object,
}


def _encode(value: Value) -> bytes:
    write = _WRITE.get(type(value))
    if write is None:
        raise ValueError(f"{type(value).__name__} has no form in AMF0")
    return write(value)


def _encode_string(value: str) -> bytes:
    data = value.encode()
    if len(data) > 0xFFFF:
        return struct.pack(">BI", LONG_STRING, len(data)) + data
    return struct.pack(">BH", STRING, len(data)) + data


def _encode_key(key: str) -> bytes:
    data = key.encode()
    return _UINT16.pack(len(data)) + data


def _encode_properties(properties: Mapping[str, Value]) -> bytes:
    pairs = [_encode_key(key) + _encode(value) for key, value in properties.items()]
    return b"".join(pairs) + bytes([0, 0, OBJECT_END])


_WRITE: dict[type, Callable[[Any], bytes]] = {
    float: lambda value: struct.pack(">Bd", NUMBER, value),
    int: lambda value: struct.pack(">Bd", NUMBER, value),
    bool: lambda value: struct.pack(">BB", BOOLEAN, value),
    str: _encode_string,
    dict: lambda value: bytes([OBJECT]) + _encode_properties(value),
    type(None): lambda value: bytes([NULL]),
    Undefined: lambda value: bytes([UNDEFINED_MARKER]),
    EcmaArray: lambda value: struct.pack(">BI", ECMA_ARRAY, len(value)) + _encode_properties(value),
    list: lambda value: struct.pack(">BI", STRICT_ARRAY, len(value)) + encode(*value),
    Date: lambda value: struct.pack(">Bdh", DATE, *value),
    TypedObject: lambda value: bytes([TYPED_OBJECT]) + _encode_key(value.name) + _encode_properties(value),
}
