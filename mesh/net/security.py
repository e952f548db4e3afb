"""Security: who may connect to this node's sockets, and how they know each other.

Without a secret ZeroMQ asks us about every new connection, and only loopback and private addresses get one. With a
secret everything is CURVE: a socket that *serves* holds the cluster's key, which only those who have the secret know;
a socket that *dials* holds its node's own, so that each message arrives with its sender's public key. Serving and
dialling are not binding and connecting: a PUB binds and dials, so that its subscribers know whom they hear.

There may be several secrets while they are exchanged. Whoever binds goes by the first; whoever connects tries each in
turn. So a mesh goes from one secret to another in three steps, and no two nodes ever share none.
"""

import hashlib
import logging
from collections.abc import Sequence
from functools import lru_cache

import zmq
from zmq.utils import z85

from mesh.control.cause import Cause
from mesh.net.addresses import trusted
from mesh.net.meter import Meter
from mesh.net.sockets import Socket
from mesh.net.state import State, id_of
from mesh.net.trouble import Troubles

log = logging.getLogger("mesh.security")

ZAP = "inproc://zeromq.zap.01"
"""Where libzmq asks (RFC 27)."""
DOMAIN = b"mesh"
Options = dict[int, int | bytes]


class Security:
    """The keys of one node, and its answer to everyone who connects."""

    def __init__(self, state: State, secrets: Sequence[str] = (), insecure: bool = False) -> None:
        self.troubles = Troubles()
        """Those who did not get a connection."""
        self._state = state
        self._keys = [(key, zmq.curve_public(key)) for key in map(_cluster_key, secrets)]
        self._open = insecure or bool(secrets)
        self.meter = Meter(self.sealed, self.troubles.note)
        """What they send; every socket that has connections to others is to be watched by it."""

    @property
    def sealed(self) -> bool:
        """Whether the mesh has a secret."""
        return bool(self._keys)

    @property
    def turns(self) -> int:
        """How many secrets there are to try."""
        return max(1, len(self._keys))

    def serving(self, turn: int = 0) -> Options:
        """For sockets that judge who sends to them: ROUTER, SUB, PULL. `turn` says which secret is tried."""
        if not self._keys:
            return {zmq.ZAP_DOMAIN: DOMAIN}
        key, _ = self._keys[turn % len(self._keys)]
        return {zmq.ZAP_DOMAIN: DOMAIN, zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: key}

    def dialling(self, turn: int = 0) -> Options:
        """For sockets that show who they are: DEALER, PUB, PUSH."""
        if not self._keys:
            return {zmq.ZAP_DOMAIN: DOMAIN}
        _, public = self._keys[turn % len(self._keys)]
        return {
            zmq.CURVE_SERVERKEY: public,
            zmq.CURVE_PUBLICKEY: self._state.public_key,
            zmq.CURVE_SECRETKEY: self._state.secret_key,
        }

    def proves(self, frame: zmq.Frame, id: str) -> bool:
        """Whether this frame may come from the node of that id."""
        if not self._keys:
            return True
        try:
            return str(frame.get("User-Id")) == id
        except zmq.ZMQError:
            return False

    def listen(self, context: zmq.Context[zmq.Socket[bytes]]) -> Socket:
        """Answer for every socket of this context; to be called before any of them binds or connects."""
        judge = Socket(context, zmq.ROUTER, lambda frames: self._judge(judge, [frame.bytes for frame in frames]))
        judge.zmq.bind(ZAP)
        if self._keys:
            log.info("everything between nodes is encrypted")
        elif self._open:
            log.warning("mesh.insecure: nodes and publishers of any address are taken, and nothing is encrypted")
        else:
            log.info("without a secret only nodes and publishers at loopback and private addresses are taken")
        return judge

    def _judge(self, judge: Socket, request: list[bytes]) -> None:
        """Answer one request: sender, "", version, request id, domain, address, identity, mechanism, credentials."""
        sender, empty, version, number, _, address, _, mechanism, *credentials = request
        user = self._user(address.decode(), mechanism, credentials)
        status = [b"200", b"OK", user.encode()] if user is not None else [b"400", b"not of this mesh", b""]
        judge.send([sender, empty, version, number, *status, b""])

    def _user(self, address: str, mechanism: bytes, credentials: list[bytes]) -> str | None:
        if self._keys and mechanism == b"CURVE" and credentials:
            return id_of(z85.encode(credentials[0]))
        if not self._keys and mechanism == b"NULL" and (self._open or trusted(address)):
            return ""
        self.troubles.note(address, Cause.PUBLIC)
        return None


@lru_cache
def _cluster_key(secret: str) -> bytes:
    """The secret key of the cluster: any 32 bytes are one.

    Slow on purpose (some 0.1 s): a handshake that somebody recorded tells him whether a guess is right.
    """
    key = hashlib.scrypt(secret.encode(), salt=b"mediamesh curve", n=1 << 15, r=8, p=1, maxmem=64 << 20, dklen=32)
    return z85.encode(key)
