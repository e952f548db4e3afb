import pytest

from mesh.balance.locality import UNKNOWN, client_zone, distance
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


def test_a_client_of_no_known_zone_has_that_of_the_node_it_asked():
    assert client_zone("", TABLES) == "fra"
    assert client_zone("ams", TABLES) == "ams"


@pytest.mark.parametrize(("node", "steps"), [("a", 0), ("b", 0), ("c", 0), ("d", 3), ("e", UNKNOWN), ("f", UNKNOWN)])
def test_distance_is_nothing_within_the_zone_and_the_measured_round_trip_beyond(node, steps):
    assert distance(TABLES.members[node], "fra", TABLES) == steps


def test_for_a_client_of_another_zone_its_nodes_and_this_one_are_the_closest():
    assert [distance(TABLES.members[node], "syd", TABLES) for node in "aebd"] == [0, 0, 0, 3]
