"""Where the keys come from: a TOML file, the environment, -s overrides; the later one wins.

Of the environment only MESH_<known section>_<key> is ours. There and in overrides the key's type says how text is
read: a string takes it as it is, a list takes TOML or a,b,c, the rest is TOML.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, get_type_hints

from mesh.config import secret
from mesh.config.rule import Rule
from mesh.config.section import Config
from mesh.errors import ConfigError

SECTIONS: dict[str, type] = {
    section.name: type(section.default) for section in fields(Config) if is_dataclass(section.default)
}
RULES: dict[str, Rule] = {
    f"{section}.{name}": hint.__metadata__[0]
    for section, cls in SECTIONS.items()
    for name, hint in get_type_hints(cls, include_extras=True).items()
}
TYPES = {str: (str,), list: (list,), bool: (bool,), float: (float, int), dict: (dict,)}

NOT_BUILT = {
    "redis.url": "the mirror",
}
"""Keys of the contract that only take their default so far, and what they would ask for."""

FOREIGN = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")
"""What Kubernetes sets for a service of another, like MESH_HTTP_PORT for one that is called mesh-http."""


class Setting(NamedTuple):
    """One key that somebody set."""

    key: str
    value: Any
    """As TOML gives it, not checked yet."""
    source: str


def load(path: str | None, overrides: Sequence[str], environ: Mapping[str, str]) -> tuple[Config, list[str]]:
    """The configuration, and what to warn the operator of. Raises `ConfigError`."""
    warnings: list[str] = []
    settings = [*_of_file(path), *_of_environment(environ, warnings), *_of_overrides(overrides)]
    values = {setting.key: _checked(setting) for setting in settings}
    sections = {
        section: cls(**{name.name: values[key] for name in fields(cls) if (key := f"{section}.{name.name}") in values})
        for section, cls in SECTIONS.items()
    }
    config = Config(**sections, given=frozenset(values), secrets=_secrets(environ))
    if config.secrets and config.mesh.secret_file:
        raise ConfigError(f"{secret.VARIABLE}: mesh.secret_file is set too, expected only one of them")
    least, most = config.egress.pass_min_ms, config.egress.pass_max_ms
    if least > most:
        source = next(setting.source for setting in reversed(settings) if setting.key.startswith("egress.pass_"))
        raise ConfigError(f"{source}: egress.pass_min_ms is {least:g}, expected no more than pass_max_ms, {most:g}")
    return config, warnings


def _secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What MESH_SECRET holds. One that is empty is an error: who sets it wants it to mean something."""
    text = environ.get(secret.VARIABLE)
    return () if text is None else secret.parse_secrets(text, secret.VARIABLE)


def _of_file(path: str | None) -> Iterator[Setting]:
    if path is None:
        return
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is no section, {_suggest(section, SECTIONS)}")
        for name, value in table.items():
            yield Setting(f"{section}.{name}", value, path)


def _of_environment(environ: Mapping[str, str], warnings: list[str]) -> Iterator[Setting]:
    for variable in sorted(environ):
        prefix, _, rest = variable.partition("_")
        section, _, name = rest.lower().partition("_")
        if prefix != "MESH" or variable == secret.VARIABLE:
            continue
        if section in SECTIONS and name and not FOREIGN.search(variable):
            yield Setting(key := f"{section}.{name}", _of_text(key, environ[variable]), variable)
        else:
            warnings.append(f"{variable} in the environment is ignored: it names no section and key")


def _of_overrides(overrides: Sequence[str]) -> Iterator[Setting]:
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"-s {override}: expected -s section.key=value")
        yield Setting(key, _of_text(key, text), f"-s {key}")


def _of_text(key: str, text: str) -> Any:
    """The TOML value that this text means for this key; the text itself where it means none."""
    kind = RULES[key].toml if key in RULES else str
    if kind is str:
        return text
    try:
        document = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        document = {}
    value = document["value"] if len(document) == 1 else text
    if kind is list and not isinstance(value, list):
        return [item.strip() for item in text.split(",") if item.strip()]
    return value


def _checked(setting: Setting) -> Any:
    key, value, source = setting
    rule = RULES.get(key)
    if rule is None:
        raise ConfigError(f"{source}: there is no key {key}, {_suggest(key, RULES)}")
    if type(value) not in TYPES[rule.toml]:
        raise _unexpected(setting, rule)
    if rule.toml is dict:
        result = dict([_read(entry, Setting(f'{key}."{entry[0]}"', entry[1], source), rule) for entry in value.items()])
    else:
        result = _read(value, setting, rule)
    section, _, name = key.partition(".")
    if key in NOT_BUILT and result != getattr(SECTIONS[section](), name):
        raise ConfigError(f"{source}: {key} asks for {NOT_BUILT[key]}, which is not built yet")
    return result


def _read(value: Any, setting: Setting, rule: Rule) -> Any:
    try:
        return rule.read(value)
    except (ValueError, TypeError):
        raise _unexpected(setting, rule) from None


def _unexpected(setting: Setting, rule: Rule) -> ConfigError:
    shown = json.dumps(setting.value, default=str)
    return ConfigError(f"{setting.source}: {setting.key} is {shown}, expected {rule.expected}")


def _suggest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, known, 1, 0.75)
    if close:
        return f"did you mean {close[0]}?"
    section = word.partition(".")[0] + "."
    return "expected one of " + ", ".join([key for key in known if key.startswith(section)] or known)
