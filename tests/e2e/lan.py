"""A LAN: hosts with real Ethernet interfaces behind switches, so that multicast, IPv6 and address changes are real.

Needs root. Every host is a network namespace without a name, so all is gone with the process.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e.cluster import Node, wait_until
from tests.e2e.network import Host, kept, unshare_network

LISTEN = {"http.listen": ":8080", "rtmp.listen": ":1935", "mesh.listen": ":7400"}


class Station(Host):
    """A host of a LAN, or its switches."""

    address = "127.0.0.1"
    """For those who stand there."""

    def __init__(self) -> None:
        with kept():
            unshare_network()
            self._namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.ip("link", "set", "lo", "up")

    @property
    def path(self) -> str:
        """Where other processes find its namespace."""
        return f"/proc/{os.getpid()}/fd/{self._namespace}"

    def ip(self, *arguments: str) -> None:
        """Change its interfaces, addresses or routes."""
        with self.entered():
            subprocess.run(["ip", *arguments], check=True)

    def close(self) -> None:
        """Let go of it; it ends with the last process that stands there."""
        os.close(self._namespace)


class Computer(Node):
    """A node that runs on a host of its own, with all of its addresses and the default ports."""

    def __init__(
        self, name: str, directory: Path, station: Station, under: Sequence[str] = (), **settings: str
    ) -> None:
        """`under` is a command that runs the node's."""
        overrides = {"node.name": name, "node.data_dir": str(directory / f"data-{name}"), **LISTEN}
        overrides |= {key.replace("__", "."): value for key, value in settings.items()}
        environ = {key: value for key, value in os.environ.items() if not key.startswith("MESH_")}
        environ["XDG_STATE_HOME"] = str(directory / f"state-{name}")
        super().__init__(name, directory, overrides, environ, station)
        self._command[:0] = under
        self.station = station

    def get(self, path: str) -> tuple[int, bytes]:
        """Asked on the host itself."""
        with self.station.entered():
            return super().get(path)

    def member(self, name: str) -> dict[str, Any]:
        """What it says of a node."""
        rows = (self.json("/api/v1/nodes") or {"nodes": []})["nodes"]
        return next((row for row in rows if row["name"] == name), {"status": "unknown"})

    def examined(self) -> dict[str, Any]:
        """What `meshctl doctor` shows of it."""
        return self.json("/api/v1/doctor") or {}


class Lan:
    """Hosts and their nodes, for as long as the block takes."""

    def __init__(self, directory: Path, **settings: str) -> None:
        """`settings` hold for every node."""
        self._directory = directory
        self._settings = settings
        self._open = ExitStack()
        self.stations: dict[str, Station] = {}
        self.nodes: dict[str, Computer] = {}

    def host(self, name: str, *addresses: str) -> Station:
        """A host with these addresses on its `eth0`."""
        station = self.stations[name] = self._station()
        self.plug(name, "eth0", *addresses)
        return station

    def plug(self, name: str, interface: str, *addresses: str) -> None:
        """Give a host one more interface; all `eth0` are at one switch, all `eth1` at another."""
        station = self.stations[name]
        port = f"{name}-{interface}"
        self._switches.ip("link", "add", port, "type", "veth", "peer", "name", interface, "netns", station.path)
        self._switches.ip("link", "set", port, "master", f"lan-{interface}", "up")
        station.ip("link", "set", interface, "up")
        for address in addresses:
            station.ip("address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))

    def cable(self, name: str, in_: bool, interface: str = "eth0") -> None:
        """Pull a host's cable, or put it in again."""
        self._switches.ip("link", "set", f"{name}-{interface}", "up" if in_ else "down")

    def carry(self, name: str, on: bool, interface: str = "eth0") -> None:
        """Whether the switch carries what comes from a host, or over to it; the host itself sees nothing of it."""
        self._switches.ip(
            "link", "set", f"{name}-{interface}", *(["master", f"lan-{interface}"] if on else ["nomaster"])
        )

    def start(self, name: str, under: Sequence[str] = (), **settings: str) -> Computer:
        """Start a node on the host of its name; does not wait."""
        node = self.nodes[name] = Computer(
            name, self._directory, self.stations[name], under, **self._settings | settings
        )
        node.start()
        return node

    def settle(self, patience_s: float = 15.0) -> None:
        """Wait until all are ready and see all."""
        for node in self.nodes.values():
            wait_until(node.ready, f"{node.name} ready")
        for node in self.nodes.values():
            wait_until(lambda node=node: node.sees(*self.nodes), f"{node.name} sees all", patience_s)

    def _station(self) -> Station:
        station = Station()
        self._open.callback(station.close)
        return station

    def __enter__(self) -> Self:
        self._switches = self._station()
        for interface in ("eth0", "eth1"):
            self._switches.ip("link", "add", f"lan-{interface}", "type", "bridge")
            self._switches.ip("link", "set", f"lan-{interface}", "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        codes = {node.name: node.stop() for node in self.nodes.values() if node.running}
        self._open.close()
        if isinstance(error, Exception):
            for node in self.nodes.values():
                print(f"\n--- {node.name} ---\n{node.log[-4000:]}")
            return
        assert set(codes.values()) <= {0}, f"exit codes {codes}, expected 0"
        for node in self.nodes.values():
            assert "Traceback" not in node.log, f"{node.name} wrote\n{node.log[-4000:]}"
