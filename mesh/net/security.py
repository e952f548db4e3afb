"""Security: who may connect to this node's sockets, and how they know each other.

Without a secret ZeroMQ asks us about every new connection, and only loopback and private addresses get one. With a
secret everything is CURVE: a socket that *serves* holds the cluster's key, which only those who have the secret know;
a socket that *dials* holds its node's own, so that each message arrives with its sender's public key. Serving and
dialling are not binding and connecting: a PUB binds and dials, so that its subscribers know whom they hear.
"""

import logging
import stat
from hashlib import blake2b
from pathlib import Path

import zmq
from zmq.utils import z85

from mesh.errors import ConfigError
from mesh.net.addresses import trusted
from mesh.net.sockets import Socket
from mesh.net.state import State, id_of

log = logging.getLogger("mesh.security")

ZAP = "inproc://zeromq.zap.01"
"""Where libzmq asks (RFC 27)."""
DOMAIN = b"mesh"
LEAST_SECRET = 16
"""Characters that a secret must have."""

Options = dict[int, int | bytes]


class Security:
    """The keys of one node, and its answer to everyone who connects."""

    def __init__(self, state: State, secret: str = "", insecure: bool = False) -> None:
        self._state = state
        self._open = insecure or bool(secret)
        self._cluster = _cluster_key(secret) if secret else None
        self._denied: set[str] = set()

    def serving(self) -> Options:
        """For sockets that judge who sends to them: ROUTER, SUB, PULL."""
        if self._cluster is None:
            return {zmq.ZAP_DOMAIN: DOMAIN}
        return {zmq.ZAP_DOMAIN: DOMAIN, zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: self._cluster}

    def dialling(self) -> Options:
        """For sockets that show who they are: DEALER, PUB, PUSH."""
        if self._cluster is None:
            return {zmq.ZAP_DOMAIN: DOMAIN}
        return {
            zmq.CURVE_SERVERKEY: zmq.curve_public(self._cluster),
            zmq.CURVE_PUBLICKEY: self._state.public_key,
            zmq.CURVE_SECRETKEY: self._state.secret_key,
        }

    def proves(self, frame: zmq.Frame, id: str) -> bool:
        """Whether this frame may come from the node of that id."""
        if self._cluster is None:
            return True
        try:
            return str(frame.get("User-Id")) == id
        except zmq.ZMQError:
            return False

    def listen(self, context: zmq.Context[zmq.Socket[bytes]]) -> Socket:
        """Answer for every socket of this context; to be called before any of them binds or connects."""
        judge = Socket(context, zmq.ROUTER, lambda frames: self._judge(judge, [frame.bytes for frame in frames]))
        judge.zmq.bind(ZAP)
        if not self._open:
            log.info("without mesh.secret_file only nodes at loopback and private addresses are met")
        return judge

    def _judge(self, judge: Socket, request: list[bytes]) -> None:
        """Answer one request: sender, "", version, request id, domain, address, identity, mechanism, credentials."""
        sender, empty, version, number, _, address, _, mechanism, *credentials = request
        user = self._user(address.decode(), mechanism, credentials)
        status = [b"200", b"OK", user.encode()] if user is not None else [b"400", b"not of this mesh", b""]
        judge.send([sender, empty, version, number, *status, b""])

    def _user(self, address: str, mechanism: bytes, credentials: list[bytes]) -> str | None:
        if self._cluster and mechanism == b"CURVE" and credentials:
            return id_of(z85.encode(credentials[0]))
        if self._cluster is None and mechanism == b"NULL" and (self._open or trusted(address)):
            return ""
        if address not in self._denied and len(self._denied) < 1000:
            self._denied.add(address)
            log.warning("%s may not connect: it has a public address, and this mesh no secret", address)
        return None


def read_secret(path: str) -> str:
    """The mesh's secret in a file that is its owner's alone. Raises `ConfigError`."""
    if not path:
        return ""
    file = Path(path).expanduser()
    try:
        secret, mode = file.read_text().strip(), file.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"mesh.secret_file: cannot read {file}: {error}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"mesh.secret_file: {file} has mode {stat.S_IMODE(mode):04o}, expected 0600")
    if len(secret) < LEAST_SECRET:
        raise ConfigError(f"mesh.secret_file: {file} has {len(secret)} characters, expected {LEAST_SECRET} or more")
    return secret


def _cluster_key(secret: str) -> bytes:
    """The secret key of the cluster: any 32 bytes are one."""
    return z85.encode(blake2b(secret.encode(), digest_size=32, person=b"mediamesh curve").digest())
