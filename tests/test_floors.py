"""A module imports only from floors below its own, and only the net floor touches the world."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = [
    {"errors"},
    {"config", "media"},
    {"rtmp", "stream", "gossip", "relay"},  # neighbours, strangers to each other
    {"balance", "control"},
    {"net", "bench"},
    {"node", "cli"},
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
WORLD = {
    *("aiohttp", "asyncio", "av", "psutil", "redis", "select", "socket", "ssl", "subprocess", "threading", "time"),
    *("uvloop", "zeroconf", "zmq"),
}
"""What only the net floor and those above may import."""
CLI_SEES = {"bench", "cli", "config", "control", "errors"}
MODULES = [path for path in sorted(Path("mesh").rglob("*.py")) if path != Path("mesh/__init__.py")]


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level
        elif isinstance(node, ast.ImportFrom):
            yield from (f"mesh.{alias.name}" for alias in node.names) if node.module == "mesh" else [node.module]


def breach(home: str, name: str) -> str:
    """What is wrong with this import in a module at home there."""
    package, _, rest = name.partition(".")
    there = rest.partition(".")[0]
    if not package:
        return "is relative"
    if package != "mesh":
        return "touches the world" if package in WORLD and FLOOR[home] < FLOOR["net"] else ""
    if home == "cli" and there not in CLI_SEES:
        return "is none of meshctl's business"
    return "" if there == home or FLOOR[there] < FLOOR[home] else "reaches up or across"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_down(path):
    home = path.relative_to("mesh").parts[0].removesuffix(".py")
    breaches = [f"{name} {wrong}" for name in imports(path.read_text()) if (wrong := breach(home, name))]
    assert not breaches


@pytest.mark.parametrize(
    ("home", "line", "wrong"),
    [
        ("rtmp", "from mesh.stream.log import StreamLog", "reaches up or across"),
        ("balance", "import mesh.control.reply", "reaches up or across"),
        ("media", "from mesh import net", "reaches up or across"),
        ("gossip", "def f():\n    import time", "touches the world"),
        ("relay", "from asyncio import sleep", "touches the world"),
        ("net", "from . import sockets", "is relative"),
        ("cli", "from mesh.net.http import Media", "is none of meshctl's business"),
        ("net", "import asyncio, mesh.gossip.tables", ""),
        ("control", "from mesh.gossip.member import Load", ""),
    ],
)
def test_a_breach_is_noticed(home, line, wrong):
    assert "".join(breach(home, name) for name in imports(line)) == wrong
