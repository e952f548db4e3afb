"""What the pages say is there: modules, commands, keys, files and targets."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mesh.cli.main import meshctl
from mesh.config.source import RULES, SECTIONS

PAGES = [
    Path("README.md"),
    Path("CONTRIBUTING.md"),
    *sorted(Path("docs").glob("*.md")),
    *sorted(Path("configs").iterdir()),
]
MAP = Path("README.md").read_text().partition("## The map")[2].split("```")[1]


def caption(path: Path) -> str:
    """The first line of a module's or a package's docstring."""
    module = path / "__init__.py" if path.is_dir() else path
    return (ast.get_docstring(ast.parse(module.read_text())) or "").partition("\n")[0]


def mapped() -> Iterator[tuple[Path, str]]:
    folder = Path()
    for indent, name, says in re.findall(r"^( *)(\S+) *(.*)$", MAP, re.MULTILINE):
        folder = folder if indent else Path(name)
        yield (folder / name if indent else Path(name)), says


def commands(group: click.Group, name: str = "meshctl") -> Iterator[str]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {command.name}")
        else:
            yield f"{name} {command.name}"


def test_the_map_has_every_part_of_the_house_and_its_caption():
    parts = [
        path for path in Path("mesh").iterdir() if path.name[:2] != "__" and (path.is_dir() or path.suffix == ".py")
    ]
    shown = dict(mapped())
    assert {path for path in shown if path.parts[0] == "mesh" and path != Path("mesh")} == set(parts)
    assert {path: says for path, says in shown.items() if path in parts} == {path: caption(path) for path in parts}
    assert shown[Path("node.py")] == caption(Path("node.py"))
    assert all(path.exists() for path in shown)


@pytest.mark.parametrize("command", list(commands(meshctl)))
def test_every_command_of_meshctl_has_its_section(command):
    assert re.search(rf"^## `{command}( [A-Z]+)*`$", Path("docs/meshctl.md").read_text(), re.MULTILINE)


def test_every_section_is_a_command_of_meshctl():
    sections = re.findall(r"^## `([a-z ]+?)(?: [A-Z]+)*`$", Path("docs/meshctl.md").read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(commands(meshctl))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_key_that_is_named_exists(page):
    text = page.read_text()
    named = re.findall(r"`(?:-s )?([a-z]+\.[a-z_]+)(?:=[^`]*)?`", text) + re.findall(r"-s ([\w.]+)=", text)
    keys = [
        key for key in named if key.partition(".")[0] in SECTIONS and not key.endswith(".py") and key != "section.key"
    ]
    assert [key for key in keys if key not in RULES] == []
    variables = [f"MESH_{key.replace('.', '_').upper()}" for key in RULES] + ["MESH_SECRET", "MESH_SECTION_KEY"]
    assert [name for name in re.findall(r"\bMESH_[A-Z_]+[A-Z]", text) if name not in variables] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_and_target_that_is_named_exists(page):
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not (page.parent / link).exists()]
    paths = [
        path
        for path in re.findall(r"\b((?:mesh|tests|tools|configs|docs)/[a-z][\w./]*\w)", text)
        if not Path(path).exists()
    ]
    targets = re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.MULTILINE)
    assert links + paths == []
    assert [target for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE) if target not in targets] == []
