"""State: what a node remembers from one run to the next, in a directory that is its alone.

Its key pair (whose public half, hashed, is its id), its incarnation and the peers of last time. Without a configured
directory a node takes the first free slot under the user's state directory, so that a second node on one host just
works; and where the others of a host listen can be read there, so that they meet without any network.
"""

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import zmq
from zmq.utils import z85

from mesh.config import Address, Config
from mesh.errors import ConfigError

log = logging.getLogger("mesh.state")

SLOTS = 64
PEERS = 64
"""Peers of last time that are remembered."""


class State:
    """One node's memory; held, and locked, until it is closed."""

    def __init__(self, directory: Path, lock: int, name: str) -> None:
        self.directory = directory
        self.name = name
        self.secret_key = self._load_key()
        self.public_key = zmq.curve_public(self.secret_key)
        self.id = id_of(self.public_key)
        self._lock = lock
        self._memory: dict[str, Any] = self._load(self.directory / "memory.json")
        self.remember(incarnation=self.incarnation + 1)

    @classmethod
    def open(cls, config: Config) -> Self:
        """Take the configured directory, or the first free slot. Raises `ConfigError`."""
        host = socket.gethostname().partition(".")[0][:55] or "node"
        try:
            if config.node.data_dir:
                directory = Path(config.node.data_dir).expanduser()
                lock = _lock(directory)
                if lock is None:
                    raise ConfigError(f"node.data_dir: {directory} is in use by another node")
                return cls(directory, lock, config.node.name or host)
            for slot in range(1, SLOTS + 1):
                directory = _slots() / str(slot)
                lock = _lock(directory)
                if lock is not None:
                    return cls(directory, lock, config.node.name or (host if slot == 1 else f"{host}-{slot}"))
        except OSError as error:
            raise ConfigError(f"node.data_dir: cannot use {error.filename}: {error.strerror}") from None
        except RuntimeError as error:
            raise ConfigError(f"node.data_dir: {str(error).lower()}") from None
        raise ConfigError(f"node.data_dir: all {SLOTS} slots under {_slots()} are in use")

    @property
    def incarnation(self) -> int:
        """How often this node has started, or more, if others remember more."""
        return _natural(self._memory.get("incarnation"))

    def peers(self, mesh: str) -> list[Address]:
        """Where the peers of last time were, if this is still the same mesh."""
        return _addresses(self._memory.get("peers")) if self._memory.get("mesh") == mesh else []

    def siblings(self, mesh: str) -> list[Address]:
        """Where other nodes of this user and host listen, or listened last, in the same mesh, if that can be read."""
        try:
            paths = sorted(_slots().glob("*/memory.json"))
        except (OSError, RuntimeError):
            return []
        memories = [self._load(path) for path in paths if path.parent != self.directory]
        found = [_addresses(memory.get("listen")) for memory in memories if memory.get("mesh") == mesh]
        return [address for addresses in found for address in addresses]

    def remember(self, **news: Any) -> None:
        """Change some of what is remembered; where the disk fails, go on without."""
        memory = {**self._memory, **news}
        if memory != self._memory:
            self._memory = memory
            try:
                _write(self.directory / "memory.json", json.dumps(memory, indent=1))
            except OSError as error:
                log.error("cannot write %s: %s", error.filename, error.strerror)

    def remember_mesh(self, mesh: str, listen: Iterable[Address], peers: Iterable[Address]) -> None:
        """Keep where this node listens, for its siblings, and where its peers are, for the next start."""
        self.remember(mesh=mesh, listen=[*map(str, listen)], peers=[*map(str, peers)][:PEERS])

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)

    def _load_key(self) -> bytes:
        path = self.directory / "key"
        if path.exists():
            try:
                text = path.read_text().strip()
                z85.decode(text)
                zmq.curve_public(text.encode())
                return text.encode()
            except (ValueError, LookupError, zmq.ZMQError):
                raise ConfigError(f"node.data_dir: {path} holds no key; remove it to start as a new node") from None
        _, secret = zmq.curve_keypair()
        _write(path, secret.decode())
        return secret

    @staticmethod
    def _load(path: Path) -> dict[str, Any]:
        try:
            memory = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s is of no use: %s", path, error)
            return {}
        return memory if isinstance(memory, dict) else {}


def id_of(public_key: bytes) -> str:
    """A node's id: the hash of its public key, which nobody can claim without the secret one."""
    return blake2b(z85.decode(public_key), digest_size=16).hexdigest()


def _slots() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mediamesh"


def _lock(directory: Path) -> int | None:
    """Make a directory ours; None if another process has it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def _natural(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _addresses(texts: object) -> list[Address]:
    found = []
    for text in texts if isinstance(texts, list) else []:
        try:
            found.append(Address.parse(text))
        except (ValueError, TypeError):
            continue
    return found
