import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.keeper import keepers
from mesh.config.pattern import Care
from mesh.config.weight import LIMITS
from mesh.gossip.member import Card, Load, Member, Replica, Status
from mesh.gossip.tables import Tables

FULL = Load(mem=1.0)


def member(name, zone="", status=Status.ALIVE, load=None):
    return Member(Card(name, name, zone, "boot", 1, ("10.0.0.1",), 1, 2, 3, 4, 5, 1), status, load or Load())


def tables(*members, held=()):
    entries = [Replica(node, "live/x", 1, "me", ("me",)) for node in held]
    return Tables("me", [member("me", "fra"), *members], entries)


# Who there is, who holds the stream, what is asked for, and who keeps it.
CASES = {
    "nothing is asked for": ([member("a")], (), Care(), []),
    "another zone goes first": ([member("a", "fra"), member("b", "ams")], (), Care(1), ["b"]),
    "then the own one": ([member("a", "fra"), member("b", "ams")], (), Care(2), ["b", "a"]),
    "no more than there are": ([member("a", "fra")], (), Care(3), ["a"]),
    "who holds it goes on": ([member(n, "ams") for n in "abcdef"], ("e",), Care(1), ["e"]),
    "another zone goes before who holds it": ([member("a", "fra"), member("b", "ams")], ("a",), Care(1), ["b"]),
    "one in each zone": ([member("a", "ams"), member("b", "ber")], (), Care(0, ("*",)), ["a", "b"]),
    "one in the zones that are named": ([member("a", "ams"), member("b", "ber")], (), Care(0, ("ber", "no")), ["b"]),
    "the leader's zone has it": ([member("a", "fra"), member("b", "ams")], (), Care(0, ("fra",)), []),
    "preloaded ones count": ([member("a", "ams"), member("b", "ber")], (), Care(1, ("ber",)), ["b"]),
    "who is away keeps nothing": ([member("a", "ams", Status.SUSPECT), member("b", "fra")], ("a",), Care(1), ["b"]),
    "who is full keeps nothing": ([member("a", "ams", load=FULL), member("b", "fra")], (), Care(1, ("ams",)), ["b"]),
}  # fmt: skip


@pytest.mark.parametrize(("members", "held", "care", "kept"), CASES.values(), ids=CASES)
def test_keepers(members, held, care, kept):
    assert list(keepers("live/x", tables(*members, held=held), care)) == kept


def test_who_is_full_by_the_limits_of_this_mesh_keeps_nothing():
    members = [member("a", "ams", load=Load(players=500)), member("b", "ber")]
    for limits, kept in ((LIMITS, "a"), ({**LIMITS, "players": 100}, "b")):
        assert keepers("live/x", tables(*members, held=("a",)), Care(1), limits) == (kept,)


def test_who_was_asked_in_vain_is_passed_over():
    members = [member("a", "ams"), member("b", "ams"), member("c", "fra")]
    asked = []
    while left := keepers("live/x", tables(*members), Care(1, ("ams",)), barren=asked):
        asked += left
    assert sorted(asked[:2]) == ["a", "b"] and asked[2:] == ["c"]


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.sampled_from(["fra", "ams", "ber"])),
    st.integers(0, 9),
)
def test_replicas_are_spread_over_zones_and_stay_when_others_come_and_go(nodes, count):
    members = [member(name, zone) for name, zone in nodes.items()]
    kept = keepers("live/x", tables(*members), Care(count))
    assert len(kept) == len(set(kept)) == min(count, len(nodes))
    beyond = {nodes[name] for name in kept} - {"fra"}
    assert len(beyond) == min(count, len(set(nodes.values()) - {"fra"}))
    assert keepers("live/x", tables(*members, held=kept), Care(count)) == kept
    gone = [m for m in members if m.id not in kept[:1]]
    assert set(kept[1:]) <= set(keepers("live/x", tables(*gone, held=kept), Care(count)))
