"""Hosts of their own for nodes: network namespaces, joined by links that can be cut, held, reset, slowed and delayed.

Needs root. The test itself stands on one more host, `HERE`, so that nothing touches this machine's own network, and all
is gone with the process.
"""

import ctypes
import fcntl
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import permutations, product
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = ""
"""The host of publishers, players, and everything else that the test does itself."""
_CLONE_NEWNET = 0x40000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def available() -> bool:
    """Whether this machine lets us make networks."""
    return os.geteuid() == 0 and os.access("/dev/net/tun", os.R_OK | os.W_OK)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare_network() -> None:
    """Let this thread stand in a network of its own, with nothing in it."""
    _checked(_libc.unshare(_CLONE_NEWNET))


class Host:
    """One network namespace with one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        with kept():
            unshare_network()
            self.port = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(self.port, _TUNSETIFF, struct.pack("16sH", b"eth0", _IFF_TUN | _IFF_NO_PI))
            self._ip("link", "set", "lo", "up")
            self._ip("address", "add", f"{address}/24", "dev", "eth0")
            self._ip("link", "set", "eth0", "up")
            self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)

    def enter(self) -> None:
        """Let this thread, and whatever process it starts, stand there from now on."""
        _checked(_libc.setns(self._namespace, _CLONE_NEWNET))

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Stand there for as long as the block takes."""
        with kept():
            self.enter()
            yield

    def plug(self, in_: bool) -> None:
        """Take its network cable out, or put it in again: its own kernel knows."""
        with self.entered():
            self._ip("link", "set", "eth0", "up" if in_ else "down")

    def close(self) -> None:
        """Let go of it; it ends with the last process that stands there."""
        os.close(self._namespace)
        os.close(self.port)

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)


class Network:
    """Hosts by name, for as long as the block takes, and the links between each two of them."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self.hosts: dict[str, Host] = {}

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def shape(self, a: str | Iterable[str], b: str | Iterable[str], oneway: bool = False, **shape: Any) -> None:
        """Change the links between these hosts, by the fields of `tests.e2e.link.Link`."""
        pairs = list(product(_several(a), _several(b)))
        for source, target in pairs if oneway else [*pairs, *((target, source) for source, target in pairs)]:
            if source != target:
                self._order(source=self[source].address, target=self[target].address, **shape)

    def cut(self, a: str | Iterable[str], b: str | Iterable[str], oneway: bool = False) -> None:
        """Let nothing through, silently."""
        self.shape(a, b, oneway, cut=True)

    def reset(self, a: str | Iterable[str], b: str | Iterable[str]) -> None:
        """End all connections with a RST to both sides; new ones may be made."""
        self.shape(a, b, reset=True)

    def heal(self) -> None:
        """Let everything through, at once."""
        for source, target in permutations(self.hosts, 2):
            well = {"delay_ms": 0, "rate_kbps": 0, "loss": 0, "cut": False, "held": False, "free_at": 0}
            self._order(source=self[source].address, target=self[target].address, **well)

    def _order(self, **order: Any) -> None:
        assert self._switch.stdin and self._switch.stdout
        self._switch.stdin.write(json.dumps(order) + "\n")
        self._switch.stdin.flush()
        assert self._switch.stdout.readline() == "ok\n"

    def __enter__(self) -> "Network":
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        for number, name in enumerate((HERE, *self._names), 1):
            self.hosts[name] = Host(f"10.0.0.{number}")
        ports = [f"{host.port}={host.address}" for host in self.hosts.values()]
        self._switch = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.link", *ports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[host.port for host in self.hosts.values()],
            cwd=Path(__file__).parents[2],
            text=True,
        )
        self[HERE].enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _checked(_libc.setns(self._home, _CLONE_NEWNET))
        os.close(self._home)
        self._switch.communicate()
        for host in self.hosts.values():
            host.close()


@contextmanager
def kept() -> Iterator[None]:
    """Come back, after the block, to where this thread stands."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield
    finally:
        _checked(_libc.setns(here, _CLONE_NEWNET))
        os.close(here)


def _several(names: str | Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
