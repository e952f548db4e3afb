import json
import socket

import pytest

from mesh import config
from mesh.config import Address
from mesh.errors import ConfigError
from mesh.net.state import PEERS, State, id_of

HOST = socket.gethostname().partition(".")[0]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A state directory of our own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "mediamesh"


@pytest.fixture
def opened():
    """Opens states, and closes them all."""
    states: list[State] = []

    def open_state(*overrides: str) -> State:
        states.append(State.open(config.load(None, overrides, {})[0]))
        return states[-1]

    yield open_state
    for state in states:
        state.close()


def test_the_second_node_of_a_host_takes_the_next_slot_and_name(opened, home):
    first, second = opened(), opened()
    assert (first.name, second.name) == (HOST, f"{HOST}-2")
    assert (first.directory, second.directory) == (home / "1", home / "2")
    assert first.id != second.id


def test_a_name_that_is_configured_is_taken_as_it_is(opened):
    assert [opened("node.name=a").name, opened("node.name=a").name] == ["a", "a"]


def test_a_freed_slot_is_taken_again_with_its_identity_and_a_higher_incarnation(opened):
    first = State.open(config.load(None, [], {})[0])
    first.close()
    again = opened()
    assert (again.id, again.incarnation, again.name) == (first.id, first.incarnation + 1, HOST)


def test_a_configured_directory_is_used_exactly_and_by_one_node_only(opened, tmp_path):
    state = opened(f"node.data_dir={tmp_path}/here")
    assert (state.directory, state.name) == (tmp_path / "here", HOST)
    with pytest.raises(ConfigError, match=r"node\.data_dir: .*here is in use by another node"):
        opened(f"node.data_dir={tmp_path}/here")


def test_a_directory_that_cannot_be_is_an_error_that_names_it(opened, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"node\.data_dir: cannot use .*file/here: Not a directory"):
        opened(f"node.data_dir={tmp_path}/file/here")


def test_an_id_is_the_hash_of_the_public_key(opened):
    state = opened()
    assert state.id == id_of(state.public_key)
    assert len(state.id) == 32 and int(state.id, 16)


def test_the_key_is_its_owners_alone(opened):
    state = opened()
    assert {path.name: path.stat().st_mode & 0o777 for path in state.directory.iterdir()} == {
        "key": 0o600, "lock": 0o600, "memory.json": 0o600,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "short", "x" * 41, "\u00fc" * 40, "~" * 40])
def test_a_key_that_is_none_is_not_replaced_in_silence(opened, home, text):
    (home / "1").mkdir(parents=True)
    (home / "1" / "key").write_text(text)
    with pytest.raises(ConfigError, match="holds no key; remove it to start as a new node"):
        opened()
    assert (home / "1" / "key").read_text() == text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"incarnation": "many", "peers": [7, "nowhere"]}', "\0"])
def test_a_memory_that_makes_no_sense_is_none(opened, home, text):
    (home / "1").mkdir(parents=True)
    (home / "1" / "memory.json").write_text(text)
    state = opened()
    assert (state.incarnation, state.peers("mesh")) == (1, [])


def test_an_incarnation_that_was_raised_is_remembered(opened, tmp_path):
    state = opened()
    state.remember(incarnation=41)
    assert json.loads((state.directory / "memory.json").read_text())["incarnation"] == 41


def test_peers_are_those_of_the_same_mesh(opened):
    state = opened()
    peers = [Address("10.0.0.1", number) for number in range(1, 100)]
    state.remember_mesh("mesh", [], peers)
    assert state.peers("mesh") == peers[:PEERS]
    assert state.peers("other") == []


def test_siblings_are_where_the_others_of_this_host_listen(opened):
    first, second, third = opened(), opened(), opened()
    for number, state in enumerate((first, second)):
        state.remember_mesh("mesh", [Address("127.0.0.1", 7400 + number)], [])
    third.remember_mesh("other", [Address("127.0.0.1", 7409)], [])
    assert first.siblings("mesh") == [Address("127.0.0.1", 7401)]
    assert third.siblings("mesh") == [Address("127.0.0.1", 7400), Address("127.0.0.1", 7401)]
    assert first.siblings("nowhere") == []


def test_a_disk_that_fails_stops_nobody(opened, caplog):
    state = opened()
    (state.directory / "memory.json").unlink()
    (state.directory / "memory.new").mkdir()
    state.remember(incarnation=7)
    assert state.incarnation == 7 and "cannot write" in caplog.text
