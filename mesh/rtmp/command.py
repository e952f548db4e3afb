"""Commands: calls between client and server in AMF0, and the replies that real servers give.

A command is a name, a transaction id (0 when no reply is wanted), a command object and arguments (RTMP 1.0, 7.2).
"""

import reprlib
from typing import NamedTuple

from mesh.errors import MediaError, RTMPError
from mesh.media import amf0
from mesh.rtmp.message import Message, Type

MAX_BYTES = 1 << 16
"""Bytes of a command: a connect with every capability in the world has 2000."""

SET_DATA_FRAME = amf0.encode("@setDataFrame")
CLEAR_DATA_FRAME = amf0.encode("@clearDataFrame")
"""What stands before metadata that the server shall keep, and what makes it forget them."""


class Command(NamedTuple):
    """A call or its reply."""

    name: str
    transaction: float
    object: amf0.Value = None
    arguments: tuple[amf0.Value, ...] = ()

    def argument(self, index: int, cls: type) -> amf0.Value:
        """The argument of this place if it is of this type, else None."""
        value = self.arguments[index] if index < len(self.arguments) else None
        return value if isinstance(value, cls) else None


def decode(message: Message) -> Command:
    """The command in a message of type 20, or of type 17, whose first byte says that AMF0 follows."""
    payload = message.payload
    if message.kind == Type.COMMAND_AMF3:
        if payload[:1] != b"\0":
            raise RTMPError(f"AMF3 command begins with 0x{payload[:1].hex()}, expected 0x00 and AMF0")
        payload = payload[1:]
    try:
        values = amf0.decode(payload, MAX_BYTES)
    except MediaError as error:
        raise RTMPError(f"command: {error}") from None
    # The onFCPublish of ffmpeg's server is a name alone.
    name, transaction, object, *arguments = values + [None, 0.0, None][len(values) :]
    if not isinstance(name, str) or not isinstance(transaction, float):
        begins = reprlib.repr([name, transaction])
        raise RTMPError(f"command begins with {begins}, expected its name and a transaction id")
    return Command(name, transaction, object, tuple(arguments))


def encode(command: Command) -> bytes:
    """The body of a command message."""
    return amf0.encode(command.name, command.transaction, command.object, *command.arguments)


def result(to: Command, *arguments: amf0.Value, object: amf0.Value = None) -> Command:
    """The reply of a call that went well."""
    return Command("_result", to.transaction, object, arguments)


def status(code: str, description: str, level: str = "status", **more: amf0.Value) -> dict[str, amf0.Value]:
    """The object that tells what became of something."""
    return {"level": level, "code": code, "description": description, **more}
