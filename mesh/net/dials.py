"""Dials: what becomes of the connections that this node makes, as libzmq's monitors tell it.

A handshake that fails is final for libzmq on one side and tried seven times a second on the other, for ever and without
a word. So whoever dials listens to the monitor, hangs up when told of a failure, and dials again when it sees fit.
"""

import errno
from collections.abc import Callable

import zmq

from mesh.config import Address
from mesh.control.cause import Cause
from mesh.net.addresses import text
from mesh.net.sockets import Socket

EVENTS = (
    zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_DISCONNECTED
)


class Dials:
    """The connections of some sockets, each known by the address it was made to."""

    def __init__(
        self,
        sealed: bool,
        met: Callable[[Address], None],
        lost: Callable[[Address], None],
        failed: Callable[[Address, Cause], None],
    ) -> None:
        """`sealed` says whether this node has a secret. A connection is `met`, later `lost`, or it has `failed`."""
        self._sealed = sealed
        self._met = met
        self._lost = lost
        self._failed = failed
        self._standing: set[Address] = set()
        self._causes: dict[Address, Cause | None] = {}

    def watch(self, socket: Socket) -> None:
        """Tell of the connections of this socket too; to be called before it makes any."""
        socket.watch(EVENTS, self._told)

    def _told(self, event: int, value: int, endpoint: str) -> None:
        try:
            address = _dialled(endpoint)
        except ValueError:
            return
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._standing.add(address)
            self._met(address)
        elif event != zmq.EVENT_DISCONNECTED:
            self._causes[address] = cause_of(event, value, self._sealed)
        elif address in self._standing:
            self._standing.remove(address)
            self._lost(address)
        elif cause := self._causes.pop(address, Cause.FOREIGN):
            self._failed(address, cause)


def _dialled(endpoint: str) -> Address:
    """The address as it was dialled. When libzmq dials again, it calls an IPv4 address by its IPv6 name."""
    host, port = Address.parse(endpoint.removeprefix("tcp://"))
    return Address(text(host) if host.startswith("::ffff:") else host, port)


def cause_of(event: int, value: int, sealed: bool) -> Cause | None:
    """Why a handshake failed, as a node with or without a secret sees it; None if the other is only slow, or dying."""
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return Cause.PUBLIC
    if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        hung_up = Cause.HUNG_UP if sealed else Cause.HUNG_UP_PLAIN
        return hung_up if value in (errno.EPIPE, errno.ECONNRESET) else None
    if value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return Cause.NO_SECRET if sealed else Cause.SEALED
    return Cause.SECRET if value == zmq.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC else Cause.FOREIGN
