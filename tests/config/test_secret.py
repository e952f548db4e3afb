import pytest

from mesh.config import Config, load, read_secrets
from mesh.config.secret import parse_secrets
from mesh.errors import ConfigError

OLD, NEW = "correct horse battery staple", "Tr0ub4dor&3-and-more"


@pytest.fixture
def file(tmp_path):
    def write(content: bytes, mode: int = 0o600):
        path = tmp_path / "secret"
        path.write_bytes(content)
        path.chmod(mode)
        return load(None, [f"mesh.secret_file={path}"], {})[0]

    return write


@pytest.mark.parametrize(
    ("text", "secrets"),
    [(OLD, (OLD,)), (f"{OLD}\n", (OLD,)), (f"  {NEW}\r\n\n{OLD}  \n", (NEW, OLD)), (16 * "x", (16 * "x",))],
)
def test_there_is_one_secret_on_each_line(file, text, secrets):
    assert parse_secrets(text, "here") == secrets
    assert read_secrets(file(text.encode())) == secrets
    assert read_secrets(load(None, [], {"MESH_SECRET": text})[0]) == secrets


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "here is empty, expected a secret of 16 characters or more"),
        (" \n", "here is empty, expected a secret of 16 characters or more"),
        ("short", "here has a secret of 5 characters, expected 16 or more"),
        (f"{OLD}\nshort", "here has a secret of 5 characters, expected 16 or more"),
    ],
)
def test_what_is_no_secret_is_an_error_that_does_not_show_it(text, said):
    with pytest.raises(ConfigError, match=f"^{said}$"):
        parse_secrets(text, "here")


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (OLD.encode(), 0o640, "has mode 0640, expected 0600"),
        (OLD.encode(), 0o604, "has mode 0604, expected 0600"),
        (b"\xff" * 40, 0o600, "is no text"),
        (b"short", 0o400, "has a secret of 5 characters"),
    ],
)
def test_a_file_that_will_not_do_is_an_error_that_names_the_key(file, content, mode, said):
    with pytest.raises(ConfigError, match=rf"^mesh\.secret_file: /.*secret {said}"):
        read_secrets(file(content, mode))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"^mesh\.secret_file: .*none: no such file or directory$"):
        read_secrets(load(None, [f"mesh.secret_file={tmp_path}/none"], {})[0])


def test_a_home_that_nobody_has_is_an_error():
    with pytest.raises(ConfigError, match=r"^mesh\.secret_file: ~nobody-at-all/secret: could not determine home"):
        read_secrets(load(None, ["mesh.secret_file=~nobody-at-all/secret"], {})[0])


def test_an_empty_variable_is_an_error_rather_than_no_secret():
    with pytest.raises(ConfigError, match=r"^MESH_SECRET is empty"):
        load(None, [], {"MESH_SECRET": ""})


def test_a_variable_and_a_file_are_too_much():
    with pytest.raises(ConfigError, match=r"^MESH_SECRET: mesh\.secret_file is set too, expected only one of them$"):
        load(None, ["mesh.secret_file=key"], {"MESH_SECRET": OLD})


def test_a_secret_is_never_shown():
    config, warnings = load(None, [], {"MESH_SECRET": OLD})
    assert OLD not in repr(config)
    assert not warnings


@pytest.mark.parametrize(
    ("overrides", "environ", "public"),
    [
        ([], {}, False),
        (["mesh.insecure=true"], {}, True),
        (["mesh.secret_file=key"], {}, True),
        ([], {"MESH_SECRET": OLD}, True),
    ],
)
def test_only_a_secret_or_the_operators_word_opens_a_node_to_public_addresses(overrides, environ, public):
    assert load(None, overrides, environ)[0].public == public


def test_without_either_there_is_no_secret():
    assert read_secrets(Config()) == ()
