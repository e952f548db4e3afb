"""The habits of this house: sizes, names, captions, and a test module for each module."""

import ast
import re
from pathlib import Path

import pytest

MODULES = [path for path in sorted(Path("mesh").rglob("*.py"))]
CODE = [
    *MODULES,
    Path("node.py"),
    *(path for path in sorted(Path("tools").rglob("*")) if path.is_file() and path.suffix != ".pyc"),
]
TESTS = sorted(Path("tests").rglob("*.py"))

LINES = 300
LONG: dict[str, str] = {}
"""Files that may be longer, and why."""
EMPTY_NAMES = {"manager", "handler", "helper", "helpers", "util", "utils", "base", "impl", "data", "info"}
"""Words that say nothing about a class or a module."""
TESTED_ELSEWHERE = {
    "mesh/bench/connection.py": "tests/bench/test_load.py",
    "mesh/bench/player.py": "tests/bench/test_load.py",
    "mesh/bench/publisher.py": "tests/bench/test_load.py",
    "mesh/net/api.py": "tests/e2e/test_api.py",
    "mesh/net/fetch.py": "tests/net/test_relay.py",
    "mesh/net/http.py": "tests/e2e/test_fidelity.py",
    "mesh/net/player.py": "tests/net/test_fanout.py",
    "mesh/net/rtmp.py": "tests/e2e/test_clients.py",
    "mesh/net/stream.py": "tests/e2e/test_replica.py",
    "mesh/net/terms.py": "tests/net/test_http.py",
    "mesh/net/survey.py": "tests/e2e/test_api.py",
    "mesh/node.py": "tests/e2e/test_death.py",
}
"""Modules that join others and sockets: only whole nodes put them to the test."""


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)}


def has_code(path: Path) -> bool:
    """Whether there is anything to test: a module that only declares has no function."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(ast.parse(path.read_text()))
    )


@pytest.mark.parametrize("path", CODE, ids=str)
def test_a_file_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= LINES or str(path) in LONG


@pytest.mark.parametrize("path", CODE, ids=str)
def test_a_file_begins_with_its_caption(path):
    caption = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
    assert re.fullmatch(r"[^\n]+[.?]", caption), "a docstring whose first line is one sentence"


@pytest.mark.parametrize("path", CODE, ids=str)
def test_names_say_something(path):
    classes = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    for name in [path.stem, *classes]:
        assert not words(name) & EMPTY_NAMES, name


@pytest.mark.parametrize("path", [path for path in MODULES if has_code(path)], ids=str)
def test_a_module_has_its_test_module(path):
    own = Path("tests", *path.parts[1:-1], f"test_{path.name}")
    assert own.exists() or Path(TESTED_ELSEWHERE.get(str(path), "nowhere")).exists()


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=str)
def test_a_test_module_mirrors_its_module(path):
    mirrored = Path("mesh", *path.parts[1:-1], path.name.removeprefix("test_"))
    whole = path.parent in (Path("tests"), Path("tests/e2e"), Path("tests/sim"))
    assert mirrored.exists() or whole
