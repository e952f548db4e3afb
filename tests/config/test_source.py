import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import Config, load
from mesh.config.source import RULES
from mesh.errors import ConfigError

TEXTS = [
    ("node.name", "a.b", "a.b"),
    ("node.name", "7", "7"),
    ("node.name", "", ""),
    ("mesh.seeds", "", ()),
    ("mesh.seeds", "[]", ()),
    ("mesh.seeds", "10.0.0.1", ("10.0.0.1",)),
    ("mesh.seeds", "10.0.0.1, b:7400,", ("10.0.0.1", "b:7400")),
    ("mesh.seeds", '["10.0.0.1", "b:7400"]', ("10.0.0.1", "b:7400")),
    ("mesh.seeds", "[::1]:7400,[::2]:7400", ("[::1]:7400", "[::2]:7400")),
    ("mesh.mdns", "false", False),
    ("mesh.mdns", "true", True),
    ("cache.seconds", "2.5", 2.5),
    ("cache.seconds", "20", 20.0),
    ("cache.bytes", "1MiB", 1 << 20),
]
BAD_TEXTS = {
    "cache.seconds=": 'cache.seconds is "", expected seconds from 0.1 to 86400',
    "cache.seconds=ten": 'cache.seconds is "ten", expected seconds from 0.1 to 86400',
    "cache.seconds=-1": "cache.seconds is -1, expected seconds from 0.1 to 86400",
    "cache.seconds=true": "cache.seconds is true, expected seconds from 0.1 to 86400",
    "cache.seconds=1\nx=2": r'cache.seconds is "1\nx=2", expected seconds from 0.1 to 86400',
    "mesh.mdns=yes": 'mesh.mdns is "yes", expected true or false',
    "mesh.mdns=1": "mesh.mdns is 1, expected true or false",
    "mesh.seeds=a b": 'mesh.seeds is ["a b"], expected a list of hosts like ["10.0.0.1", "b.example:7400"]',
    "mesh.seeds=[1]": 'mesh.seeds is [1], expected a list of hosts like ["10.0.0.1", "b.example:7400"]',
    'cache.bytes="1MiB"': r'cache.bytes is "\"1MiB\"", expected a size of 64KiB or more, like "32MiB"',
    "http.listen=8080": 'http.listen is "8080", expected an address like ":8080", "10.0.0.1:8080" or "[::1]:8080"',
    "cache.byte=1MiB": "there is no key cache.byte, did you mean cache.bytes?",
    "cach.bytes=1MiB": "there is no key cach.bytes, did you mean cache.bytes?",
    "cache.colour=1": "there is no key cache.colour, expected one of cache.seconds, cache.bytes, cache.total",
    "redis.url=redis://h": "redis.url asks for the mirror, which is not built yet",
}
BAD_FILES = {
    "[cache]\nbytes = 7": 'cache.bytes is 7, expected a size of 64KiB or more, like "32MiB"',
    "[cache]\nseconds = '7'": 'cache.seconds is "7", expected seconds from 0.1 to 86400',
    "[cache]\nseconds = nan": "cache.seconds is NaN, expected seconds from 0.1 to 86400",
    "[cache]\nseconds = 2020-01-01": 'cache.seconds is "2020-01-01", expected seconds from 0.1 to 86400',
    "[cache.bytes]\nx = 7": 'cache.bytes is {"x": 7}, expected a size of 64KiB or more, like "32MiB"',
    "[mesh]\nseeds = 'a'": 'mesh.seeds is "a", expected a list of hosts like ["10.0.0.1", "b.example:7400"]',
    "[node]\nnmae = 'a'": "there is no key node.nmae, did you mean node.name?",
    "[nodes]\nname = 'a'": "nodes is no section, did you mean node?",
    "cache = 1": "cache is no section, did you mean cache?",
    "[cache]\nbytes": "not TOML: Expected '=' after a key in a key/value pair (at end of document)",
    "[cache]\nseconds = 1\nseconds = 2": "not TOML: Cannot overwrite a value (at end of document)",
}


def value(config, key):
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def variable(key):
    return f"MESH_{key.replace('.', '_').upper()}"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "node.toml"

    def write(text):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write


def test_nothing_given_is_all_defaults():
    config, warnings = load(None, [], {"PATH": "/bin", "MESHCTL_URL": "http://h"})
    assert config == Config()
    assert not config.given
    assert not warnings


def test_the_later_source_is_the_stronger_one(file):
    path = file("[node]\nname = 'file'\nzone = 'file'\ndata_dir = 'file'")
    config, _ = load(
        path, ["node.name=first", "node.name=override"], {"MESH_NODE_NAME": "env", "MESH_NODE_ZONE": "env"}
    )
    assert (config.node.name, config.node.zone, config.node.data_dir) == ("override", "env", "file")
    assert config.given == {"node.name", "node.zone", "node.data_dir"}


@pytest.mark.parametrize(("key", "text", "result"), TEXTS)
def test_the_type_of_a_key_says_how_text_is_read(key, text, result):
    by_override, _ = load(None, [f"{key}={text}"], {})
    by_environment, _ = load(None, [], {variable(key): text})
    assert value(by_override, key) == value(by_environment, key) == result


@pytest.mark.parametrize("override", BAD_TEXTS)
def test_an_error_names_the_override_the_key_and_what_was_expected(override):
    with pytest.raises(ConfigError) as caught:
        load(None, [override], {})
    assert str(caught.value) == f"-s {override.partition('=')[0]}: {BAD_TEXTS[override]}"


@pytest.mark.parametrize("override", [override for override in BAD_TEXTS if not override.startswith("cach.")])
def test_an_error_names_the_variable_of_the_environment(override):
    key, _, text = override.partition("=")
    with pytest.raises(ConfigError) as caught:
        load(None, [], {variable(key): text})
    assert str(caught.value) == f"{variable(key)}: {BAD_TEXTS[override]}"


@pytest.mark.parametrize("text", BAD_FILES)
def test_an_error_names_the_file(file, text):
    path = file(text)
    with pytest.raises(ConfigError) as caught:
        load(path, [], {})
    assert str(caught.value) == f"{path}: {BAD_FILES[text]}"


def test_a_wrong_key_of_the_file_is_an_error_even_if_it_is_overridden(file):
    with pytest.raises(ConfigError, match=r"node.toml: cache.seconds is -1"):
        load(file("[cache]\nseconds = -1"), ["cache.seconds=5"], {})


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, file):
    with pytest.raises(ConfigError, match=r"missing.toml: no such file or directory$"):
        load(str(tmp_path / "missing.toml"), [], {})
    with pytest.raises(ConfigError, match=r": is a directory$"):
        load(str(tmp_path), [], {})
    with pytest.raises(ConfigError, match=r"node.toml: not TOML: .* can't decode byte 0xff"):
        load(file(b"\xff"), [], {})
    with pytest.raises(ConfigError, match=r"node.toml: not TOML: "):
        load(file("a = " + "[" * 100_000), [], {})


def test_an_override_without_a_value_is_an_error():
    with pytest.raises(ConfigError, match=r"^-s cache.seconds: expected -s section.key=value$"):
        load(None, ["cache.seconds"], {})


def test_other_mesh_names_of_the_environment_only_warn():
    names = [
        "MESH_",
        "MESH_CACHE",
        "MESH_HTTP_PORT",
        "MESH_HTTP_PORT_8080_TCP_ADDR",
        "MESH_HTTP_SERVICE_HOST",
        "MESH_PORT",
    ]
    names += ["MESH_NODE_SERVICE_PORT_WEB", "MESH_SERVICE_HOST"]
    names.sort()  # of services that are called mesh-http and mesh-node, too
    config, warnings = load(None, [], dict.fromkeys(names, "tcp://10.0.0.1"))
    assert config == Config()
    assert warnings == [f"{name} in the environment is ignored: it names no section and key" for name in names]


@pytest.mark.parametrize("overrides", [["egress.pass_min_ms=400"], ["egress.pass_max_ms=20", "egress.pass_min_ms=30"]])
def test_the_shortest_pass_is_no_longer_than_the_longest(overrides):
    with pytest.raises(
        ConfigError, match=r"^-s egress.pass_min_ms: egress.pass_min_ms is [34]00?, expected no more than"
    ):
        load(None, overrides, {})


def test_a_default_may_be_given_for_what_is_not_built():
    assert load(None, ["redis.url="], {})[0] == Config()


@given(st.sampled_from(sorted(RULES)), st.text(max_size=30))
def test_any_text_for_any_key_is_read_or_a_one_line_error(key, text):
    try:
        load(None, [f"{key}={text}"], {})
    except ConfigError as error:
        assert str(error).startswith(f"-s {key}: {key} ")
        assert len(str(error).splitlines()) == 1
