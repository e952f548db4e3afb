from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import config
from mesh.balance.locality import CLOSE, FAR, client_zone, cost, link, witness, zone_of
from mesh.config.zone import prefix
from mesh.gossip.member import Card, Link, Member
from mesh.gossip.tables import Tables


def member(name, zone, links=None):
    card = Card(name, name, zone, "boot", 1, ("10.0.0.1",), 7400, 7401, 7402, 1935, 8080, 1)
    return Member(card, links=links or {})


TABLES = Tables(
    "a",
    [
        member("a", "fra", {"b": Link(0.4, 0), "c": Link(9.9, 0), "d": Link(35.0, 0), "e": Link(1e9, 0)}),
        *(member(name, zone) for name, zone in {"b": "fra", "c": "ams", "d": "lon", "e": "syd", "f": "nyc"}.items()),
    ],
)


ZONES = (
    'balance.zones={"10.0.0.0/8" = "lan", "10.1.0.0/16" = "fra", "10.1.2.3" = "desk", "0.0.0.0/0" = "v4",'
    '"fd00:1::/32" = "ams", "city:Berlin" = "ber", "country:DE" = "de", "continent:EU" = "eu"}'
)
BERLIN = "city:Berlin", "country:DE", "continent:EU"


@pytest.mark.parametrize(
    ("ip", "places", "zone"),
    [
        ("10.1.2.3", (), "desk"),
        ("10.1.2.4", BERLIN, "fra"),
        ("10.2.0.0", (), "lan"),
        ("::ffff:10.1.2.3", (), "desk"),
        ("198.51.100.7", BERLIN, "v4"),
        ("fd00:1:2::7", (), "ams"),
        ("fd00:1::7%eth0", (), "ams"),
        ("2001:db8::7", BERLIN, "ber"),
        ("2001:db8::7", ("city:Bonn", "country:DE", "continent:EU"), "de"),
        ("2001:db8::7", ("city:Paris", "country:FR", "continent:EU"), "eu"),
        ("2001:db8::7", ("country:JP",), ""),
        ("localhost", BERLIN, ""),
    ],
)
def test_the_narrowest_network_or_else_place_tells_the_zone(ip, places, zone):
    zones = config.load(None, [ZONES], {})[0].balance.zones
    assert zone_of(ip, zones, places) == zone


@given(st.ip_addresses(), st.sets(st.ip_addresses(v=4).flatmap(lambda ip: st.builds(
    lambda length: ip_network((int(ip) >> 32 - length << 32 - length, length)), st.integers(0, 32)))))  # fmt: skip
def test_a_zone_is_that_of_the_longest_network_that_holds_the_address(ip, networks):
    zones = {prefix(network.network_address, network.prefixlen): str(network).replace("/", "-") for network in networks}
    holding = [network for network in networks if (getattr(ip, "ipv4_mapped", None) or ip) in network]
    longest = max(holding, key=lambda network: network.prefixlen, default="")
    assert zone_of(str(ip), zones) == str(longest).replace("/", "-")


@pytest.mark.parametrize(
    ("source", "target", "costs"),
    [("fra", "fra", 0), ("fra", "ams", 0.5), ("ams", "fra", 0.5), ("fra", "nyc", 9), ("nyc", "fra", 4),
     ("ams", "nyc", 1), ("nyc", "nyc", 0.1), ("", "fra", 1)],
)  # fmt: skip
def test_traffic_costs_what_the_table_says_or_one_if_it_leaves_its_zone(source, target, costs):
    table = 'balance.cost={"fra>ams" = 0.5, "fra>nyc" = 9, "nyc>fra" = 4, "nyc>nyc" = 0.1}'
    assert cost(source, target, config.load(None, [table], {})[0].balance.cost) == costs


def test_a_client_of_no_known_zone_has_that_of_the_node_it_asked():
    assert client_zone("", TABLES) == "fra"
    assert client_zone("ams", TABLES) == "ams"


def test_the_way_to_a_node_is_as_its_zone_measured_it_or_as_the_node_did():
    a, d, e = (TABLES.members[node] for node in "ade")
    assert link(a, d) is a.links["d"]
    assert link(d, a) is a.links["d"]
    assert (link(a, a), link(e, e)) == (CLOSE, CLOSE)
    assert link(d, e) == FAR


def test_what_a_zone_is_near_to_its_own_nodes_say():
    assert witness("fra", TABLES) is TABLES.members["a"]
    assert witness("ams", TABLES).zone == "ams"
    assert witness("mars", TABLES) is TABLES.members["a"]
