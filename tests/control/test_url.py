import pytest

from mesh.control.url import is_loopback, node_url, stream_url
from mesh.gossip.member import Card, Member
from mesh.gossip.tables import Tables


def member(name, address, addresses=("10.0.0.9",)):
    return Member(Card(name, name, "", "boot", 1, addresses, 7400, 7401, 7402, 1935, 8080, 1), address=address)


TABLES = Tables(
    "me",
    [
        member("me", ""),
        member("far", "10.0.0.2"),
        member("v6", "2001:db8::2"),
        member("beside", "127.0.0.1"),
        member("mute", "", ()),
        member("named", "10.0.0.2", ("media.example", "10.0.0.2")),
    ],
)
# A remote client is never sent to a loopback address: it would end up on its own machine.
CASES = [
    ("me", "192.168.1.5", "http://192.168.1.5:8080"),
    ("me", "::1", "http://[::1]:8080"),
    ("me", "", "http://10.0.0.9:8080"),
    ("beside", "192.168.1.5", "http://192.168.1.5:8080"),
    ("beside", "localhost", "http://localhost:8080"),
    ("far", "192.168.1.5", "http://10.0.0.2:8080"),
    ("v6", "192.168.1.5", "http://[2001:db8::2]:8080"),
    ("mute", "192.168.1.5", "http://127.0.0.1:8080"),
    ("named", "192.168.1.5", "http://media.example:8080"),
]


@pytest.mark.parametrize(("node", "asked", "url"), CASES)
def test_a_node_is_found_where_we_reach_it_unless_that_is_this_machine(node, asked, url):
    assert node_url(TABLES.members[node], "http", TABLES, asked) == url


@pytest.mark.parametrize(
    ("proto", "query", "url"),
    [
        ("flv", (), "http://10.0.0.2:8080/live/x.flv"),
        ("flv", [("token", "a b"), ("via", "me")], "http://10.0.0.2:8080/live/x.flv?token=a+b&via=me"),
        ("ws", (), "ws://10.0.0.2:8080/live/x.flv"),
        ("rtmp", (), "rtmp://10.0.0.2:1935/live/x"),
    ],
)
def test_each_protocol_has_its_form_of_a_streams_url(proto, query, url):
    assert stream_url(TABLES.members["far"], "live/x", proto, TABLES, "", query) == url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_a_loopback_host_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "::2", "media.example", "localhost.example"])
def test_any_other_host_is_not_loopback(host):
    assert not is_loopback(host)
