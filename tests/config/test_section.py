import ast
import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from mesh.config import Config, load
from mesh.config.source import RULES, SECTIONS
from mesh.config.weight import LIMITS, SUPPLY, WEIGHTS

REFERENCE = Path("configs/reference.toml")


def documented():
    """The string under each field, by key."""
    classes = {cls.__name__: section for section, cls in SECTIONS.items()}
    for cls in ast.parse(Path("mesh/config/section.py").read_text()).body:
        if isinstance(cls, ast.ClassDef) and cls.name in classes:
            for name, text in zip(cls.body, cls.body[1:], strict=False):
                if isinstance(name, ast.AnnAssign):
                    yield f"{classes[cls.name]}.{name.target.id}", text.value.value


def commented():
    """The comment above each key of the reference."""
    section = comment = ""
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif match := re.match(r"(\w+) = ", line):
            yield f"{section}.{match[1]}", comment
        comment = line.removeprefix("# ")


def test_every_field_is_documented_by_one_sentence():
    keys = dict(documented())
    assert list(keys) == list(RULES)
    assert all(text.endswith(".") and "\n" not in text for text in keys.values())


def test_the_reference_names_every_key_with_the_sentence_of_its_field():
    assert dict(commented()) == dict(documented())


def test_the_reference_holds_the_defaults():
    config, warnings = load(str(REFERENCE), [], {})
    assert config == Config()
    assert config.given == set(RULES)
    assert not warnings


def test_the_reference_heads_every_section_with_its_caption():
    text = REFERENCE.read_text()
    assert list(tomllib.loads(text)) == list(SECTIONS)
    for section, cls in SECTIONS.items():
        assert f"\n\n# {cls.__doc__}\n[{section}]\n" in text


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.toml")), ids=str)
def test_every_file_of_configs_loads_without_a_warning(path):
    assert not load(str(path), [], {})[1]


def test_the_contract_has_these_keys_and_defaults():
    assert {section: dataclasses.asdict(getattr(Config(), section)) for section in SECTIONS} == {
        "node": {"name": "", "zone": "", "data_dir": "", "capacity": 0, "drain_s": 10},
        "rtmp": {"listen": ":1935"},
        "http": {"listen": ":8080"},
        "mesh": {
            "name": "mesh",
            "listen": ":7400",
            "seeds": (),
            "mdns": True,
            "secret_file": "",
            "insecure": False,
            "advertise": "",
        },
        "cache": {"seconds": 10, "bytes": 32 * 1024 * 1024, "total": 1024 * 1024 * 1024},
        "relay": {"lag_s": 3},
        "egress": {"pass_min_ms": 0, "pass_max_ms": 350},
        "limits": {"player_lag_s": 10},
        "stream": {"linger_s": 10, "hold_s": 30, "standby": False, "silence_s": 5, "patterns": {}},
        "balance": {
            "policy": "weighted",
            "algorithm": "lowest",
            "margin": 0.2,
            "ramp_s": 60,
            "weights": WEIGHTS,
            "supply": SUPPLY,
            "limits": LIMITS,
            "redirect": True,
            "zones": {},
            "geoip": "",
            "cost": {},
        },
        "redis": {"url": ""},
    }
