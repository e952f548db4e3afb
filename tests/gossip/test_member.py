import pytest

from mesh.gossip.member import Link, Load, Member, Status
from tests.gossip.company import card


@pytest.mark.parametrize("status", Status)
def test_only_the_dead_and_those_who_left_do_not_live(status):
    assert status.living == (status not in ("dead", "left"))


def test_a_member_is_called_what_its_card_says():
    member = Member(card(5, name="fra-1", zone="fra"))
    assert (member.id, member.name, member.zone) == (card(5).id, "fra-1", "fra")


def test_a_member_is_what_others_say_it_is_by_default():
    assert Member(card(1)) == Member(card(1), Status.ALIVE, Load(), {}, "", 0.0)
    assert Member(card(1), links={card(2).id: Link(1.5, 0.0)}).links[card(2).id].rtt_ms == 1.5
