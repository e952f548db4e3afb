from dataclasses import replace

import pytest

from mesh.gossip.member import Lead, LeadState, Member, Replica, Status
from mesh.gossip.tables import Tables
from tests.gossip.company import card, lead

ID = [card(number).id for number in range(5)]


def member(number: int, name: str = "", status: Status = Status.ALIVE, born: float = 0.0) -> Member:
    return Member(card(number, name=name or f"n{number}"), status, born=born)


def test_the_highest_epoch_and_then_the_highest_node_leads():
    tables = Tables(ID[0], map(member, range(4)), [lead(1, epoch=2), lead(2, epoch=3), lead(3, epoch=3), lead(0)])
    assert [entry.node for entry in tables.leads("live/x")] == [ID[3], ID[2], ID[1], ID[0]]
    assert tables.leader("live/x") == lead(3, epoch=3)


@pytest.mark.parametrize("state", [LeadState.CLAIM, LeadState.STANDBY])
def test_who_claims_or_waits_is_no_leader(state):
    claim = lead(2, epoch=9, state=state)
    tables = Tables(ID[0], map(member, range(3)), [claim, lead(1, state=LeadState.STALLED)])
    assert tables.leads("live/x")[0] == claim
    assert tables.leader("live/x") == lead(1, state=LeadState.STALLED)


@pytest.mark.parametrize("status", [Status.DEAD, Status.LEFT])
def test_what_the_dead_said_is_held_back_until_they_return(status):
    replica = Replica(ID[1], "live/y", 1, ID[2], (ID[2],))
    tables = Tables(ID[0], [member(0), member(1, status=status)], [lead(1), replica])
    assert (tables.leader("live/x"), tables.replicas("live/y"), [*tables.streams()]) == (None, [], [])
    tables.set_member(member(1))
    assert (tables.leader("live/x"), tables.replicas("live/y")) == (lead(1), [replica])
    assert [*tables.streams()] == ["live/x", "live/y"]


def test_the_newest_epoch_is_that_of_a_leader_or_of_a_copy():
    tables = Tables(ID[0], map(member, range(3)), [lead(1, epoch=2)])
    assert (tables.epoch("live/x"), tables.epoch("live/y")) == (2, 0)
    tables.set_entry(Replica(ID[2], "live/x", 3, ID[1], (ID[1],)))
    assert tables.epoch("live/x") == 3


def test_an_entry_replaces_that_of_the_same_node_and_goes_when_it_is_dropped():
    tables = Tables(ID[0], map(member, range(2)), [lead(1), lead(1, epoch=5)])
    assert tables.leads("live/x") == [lead(1, epoch=5)]
    tables.drop_entry(lead(1))
    assert tables.leads("live/x") == [] and [*tables.streams()] == []
    tables.drop_entry(lead(1))


def test_replicas_come_in_the_order_of_their_nodes():
    held = [Replica(ID[number], "live/x", 1, ID[0], (ID[0],)) for number in (3, 1, 2)]
    tables = Tables(ID[0], map(member, range(4)), held)
    assert [replica.node for replica in tables.replicas("live/x")] == ID[1:4]


def test_the_younger_of_two_of_one_name_is_shown_with_its_id():
    tables = Tables(ID[0], [member(3, "host", born=5.0), member(1, "host", born=9.0)])
    assert tables.display_name(ID[3]) == "host"
    assert tables.display_name(ID[1]) == f"host-{ID[1][:6]}"
    assert tables.by_name("host").id == ID[3]
    assert tables.by_name(f"host-{ID[1][:6]}").id == ID[1]


def test_an_alive_node_hides_the_dead_one_before_it():
    tables = Tables(ID[0], [member(1, "host", Status.DEAD, born=1.0), member(2, "host", born=9.0)])
    assert tables.display_name(ID[2]) == "host"
    assert [member.id for member in tables.listed()] == [ID[2]]
    assert tables.by_name("host").id == ID[2]
    tables.set_member(member(2, "host", Status.DEAD, born=9.0))
    assert len(tables.listed()) == 2


def test_a_node_nobody_knows_is_shown_by_its_id():
    tables = Tables(ID[0], [member(0)])
    assert tables.display_name(ID[4]) == ID[4][:6]
    assert tables.by_name("n4") is None


def test_a_forgotten_member_frees_its_name():
    tables = Tables(ID[0], [member(1, "host", born=1.0), member(2, "host", born=2.0)])
    assert tables.display_name(ID[2]) != "host"
    tables.forget_member(ID[1])
    assert tables.display_name(ID[2]) == "host"


def test_many_streams_of_one_node_stay_apart():
    entries = [Lead(ID[1], f"live/{number}", number, LeadState.LIVE) for number in range(50)]
    tables = Tables(ID[0], [member(1)], entries)
    assert all(tables.leader(entry.stream) == entry for entry in entries)


def test_the_members_of_a_zone_are_kept_in_the_order_of_their_ids():
    fra = [replace(member(number), card=card(number, zone="fra")) for number in range(5)]
    tables = Tables(ID[0], [*fra[::-1], *fra])
    assert tables.zones == {"fra": sorted(ID)}
    tables.set_member(replace(fra[1], card=card(1, zone="ams")))
    tables.forget_member(ID[2])
    tables.forget_member(ID[2])
    assert tables.zones == {"fra": sorted({*ID} - {ID[1], ID[2]}), "ams": [ID[1]]}
    tables.forget_member(ID[1])
    assert "ams" not in tables.zones
