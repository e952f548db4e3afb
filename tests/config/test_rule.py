import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config.rule import MESH_PORT, Address
from mesh.config.source import RULES

ADDRESSES = {
    ":8080": ("", 8080),
    "10.0.0.1:0": ("10.0.0.1", 0),
    "a.example:65535": ("a.example", 65535),
    "node_1:80": ("node_1", 80),
    "[::1]:1935": ("::1", 1935),
    "[::]:1935": ("::", 1935),
}
HOSTS_ALONE = {
    "10.0.0.1": "10.0.0.1",
    "a.example": "a.example",
    "fe80::1": "fe80::1",
    "[::1]": "::1",
    "a.example.": "a.example.",
}
NO_ADDRESSES = [
    "",
    "8080",
    "host",
    ":65536",
    ":-1",
    "a b:80",
    "300.1.1.1:80",
    "1.2.3:80",
    "::1:80x",
    "[::1:80",
    "[a]:80",
    "-a:1",
    "a..b:1",
]

GOOD = {
    "node.name": [("", ""), ("node-1.lan", "node-1.lan")],
    "mesh.listen": [(":65533", ":65533"), ("127.0.0.1:0", "127.0.0.1:0")],
    "mesh.seeds": [([], ()), (["10.0.0.1", "b.example:7400", "::1"], ("10.0.0.1", "b.example:7400", "::1"))],
    "mesh.advertise": [("", ""), ("203.0.113.7", "203.0.113.7"), ("2001:db8::7", "2001:db8::7")],
    "cache.bytes": [("64KiB", 65536), ("32MiB", 32 << 20), ("1 GiB", 1 << 30), ("2MB", 2_000_000), ("65536", 65536)],
    "cache.seconds": [(1, 1.0), (0.5, 0.5), (86400, 86400.0)],
    "stream.linger_s": [(0, 0.0)],
    "egress.pass_max_ms": [(350, 350.0)],
    "balance.policy": [("weighted", "weighted")],
    "node.capacity": [("", 0), ("1Gb/s", 10**9), ("2.5 Gb/s", 2_500_000_000), ("800kb/s", 800_000), ("7b/s", 7)],
}
BAD = {
    "node.name": ["a b", "-a", "..", "a/b", "a" * 64, "ä", "a\n"],
    "mesh.name": [""],
    "rtmp.listen": ["", "1935", ":65536", "nowhere"],
    "mesh.listen": [":65534"],
    "mesh.seeds": [[""], [":7400"], ["a:b:c"], ["a", 7], [["a"]]],
    "mesh.advertise": ["10.0.0.1:7400", "a b"],
    "cache.bytes": ["", "32", "64", "32Mib", "-1MiB", "1.5GiB", "MiB", "1e9"],
    "cache.seconds": [0, -1, 86401, float("inf"), float("nan")],
    "egress.pass_max_ms": [-1, 10001],
    "node.data_dir": ["a\0b"],
    "balance.policy": ["", "weighted ", "best"],
    "node.capacity": ["1", "1Gb", "1 gb/s", "-1Gb/s", "1GB/s", ".5Gb/s"],
}


def flat(table):
    return [(key, case) for key, cases in table.items() for case in cases]


@pytest.mark.parametrize("text", ADDRESSES)
def test_an_address_is_a_host_and_a_port(text):
    assert Address.parse(text) == ADDRESSES[text]
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", HOSTS_ALONE)
def test_a_host_alone_takes_the_default_port_if_there_is_one(text):
    assert Address.parse(text, MESH_PORT) == (HOSTS_ALONE[text], MESH_PORT)
    with pytest.raises(ValueError):
        Address.parse(text)


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError):
        Address.parse(text)


@given(st.text(max_size=40), st.sampled_from([None, MESH_PORT]))
def test_any_text_is_an_address_or_a_value_error(text, port):
    try:
        address = Address.parse(text, port)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(("key", "case"), flat(GOOD), ids=str)
def test_a_rule_takes_what_it_expects(key, case):
    value, result = case
    assert RULES[key].read(value) == result
    assert type(RULES[key].read(value)) is type(result)


@pytest.mark.parametrize(("key", "value"), flat(BAD), ids=repr)
def test_a_rule_refuses_the_rest(key, value):
    with pytest.raises((ValueError, TypeError)):
        RULES[key].read(value)
