from dataclasses import replace
from random import Random

from mesh.config import Address
from mesh.gossip.entry import encode_entry
from mesh.gossip.event import LeadChanged, MemberChanged, ReplicaChanged, Subscribe, Unsubscribe
from mesh.gossip.member import Link, Load, Replica, Status
from mesh.gossip.message import Change
from mesh.gossip.overlay import FullMesh
from mesh.gossip.roster import FORGET_S, UNSUBSCRIBE_S, Roster
from tests.gossip.company import address, beat, card, lead

ID = [card(number).id for number in range(5)]


def roster_of(*peers: int) -> Roster:
    roster = Roster(card(0), FullMesh(), Random(1), 0.0)
    for number in peers:
        peer = roster.meet(card(number), "10.0.0.1", 0.0, 0.0)
        roster.set_route(peer, address(number))
        roster.set_status(peer, Status.ALIVE, 0.0)
    roster.outbox.events.clear()
    return roster


def events(roster: Roster, kind: type = object) -> list:
    found = [event for event in roster.outbox.events if isinstance(event, kind)]
    roster.outbox.events.clear()
    return found


def change(entry: object, version: int = 2) -> Change:
    key, value = encode_entry(entry)
    return key, version, value


class OnlySmallIds(FullMesh):
    """An overlay in which nobody hears those beyond number 2."""

    def neighbours(self, others):
        return [id for id in others if int(id, 16) <= 2]


def test_a_peer_that_answered_is_heard_where_it_publishes():
    roster = Roster(card(0), FullMesh(), Random(1), 0.0)
    peer = roster.meet(card(1), "10.0.0.1", 0.0, 0.0)
    assert events(roster, Subscribe) == []
    roster.set_route(peer, Address("192.168.0.1", 7400))
    assert events(roster, Subscribe) == [Subscribe(Address("192.168.0.1", 7401))]
    assert peer.member.address == "192.168.0.1"
    roster.set_route(peer, address(1))
    assert events(roster, Subscribe | Unsubscribe) == [
        Unsubscribe(Address("192.168.0.1", 7401)),
        Subscribe(Address("10.0.0.1", 7401)),
    ]


def test_the_overlay_says_who_is_heard():
    roster = Roster(card(0), OnlySmallIds(), Random(1), 0.0)
    for number in (1, 2, 3):
        roster.set_route(roster.meet(card(number), "10.0.0.1", 0.0, 0.0), address(number))
    assert [event.address.host for event in events(roster, Subscribe)] == ["10.0.0.1", "10.0.0.2"]


def test_a_change_of_status_card_or_address_is_told_and_a_beat_is_not():
    roster = roster_of(1)
    peer = roster.peers[ID[1]]
    roster.beat(
        peer, beat(load=Load(cpu=0.5), links=((bytes.fromhex(ID[0]), 150, 10), (bytes(15) + b"\x09", 1, 0))), 1.0
    )
    assert events(roster) == []
    assert roster.tables.members[ID[1]].load.cpu == 0.5
    assert roster.tables.members[ID[1]].links == {ID[0]: Link(1.5, 0.01)}
    before = peer.member
    roster.set_card(peer, card(1, zone="fra"))
    assert events(roster) == [MemberChanged(ID[1], before, peer.member)]
    assert peer.member.load.cpu == 0.5


def test_a_judgement_that_was_passed_already_is_no_news():
    roster = roster_of(1)
    for _ in range(2):
        roster.set_status(roster.peers[ID[1]], Status.UNREACHABLE, 5.0)
    assert len(events(roster)) == 1


def test_entries_are_shown_changed_and_dropped():
    roster = roster_of(1)
    replica = Replica(ID[1], "live/y", 1, ID[2], (ID[2],))
    roster.show(ID[1], [change(lead(1)), change(replica)])
    assert events(roster) == [LeadChanged("live/x"), ReplicaChanged("live/y")]
    assert (roster.tables.leader("live/x"), roster.tables.replicas("live/y")) == (lead(1), [replica])
    roster.show(ID[1], [change(lead(1, epoch=2)), ("r/live/y", 3, None)])
    assert (roster.tables.leader("live/x").epoch, roster.tables.replicas("live/y")) == (2, [])
    roster.show(ID[1], [("s/live/x", 4, b"garbage")])
    assert roster.tables.leads("live/x") == []


def test_a_card_among_the_entries_is_taken_if_it_is_its_origins():
    roster = roster_of(1)
    roster.show(ID[1], [change(card(1, zone="fra"))])
    roster.show(ID[1], [change(card(2, zone="ber")), change(card(1, zone="ber", boot="f" * 16))])
    assert roster.tables.members[ID[1]].zone == "fra"


def test_what_the_dead_led_is_told_when_they_die_and_when_they_return():
    roster = roster_of(1)
    roster.show(ID[1], [change(lead(1))])
    for status in (Status.DEAD, Status.ALIVE):
        events(roster)
        roster.set_status(roster.peers[ID[1]], status, 5.0)
        assert events(roster, LeadChanged) == [LeadChanged("live/x")]


def test_a_new_process_of_a_known_node_starts_from_nothing():
    roster = roster_of(1)
    roster.show(ID[1], [change(lead(1))])
    roster.peers[ID[1]].copy.entries["s/live/x"] = (2, b"")
    roster.meet(card(1, boot="f" * 16, incarnation=2), "10.0.0.1", 9.0, 9.0)
    assert roster.tables.leads("live/x") == []
    assert roster.tables.members[ID[1]].card.boot == "f" * 16
    assert events(roster, Unsubscribe) == []


def test_the_dead_are_heard_for_a_while_and_forgotten_later():
    roster = roster_of(1, 2)
    roster.set_status(roster.peers[ID[1]], Status.DEAD, 10.0)
    roster.tick(10.0 + UNSUBSCRIBE_S)
    assert events(roster, Unsubscribe) == []
    roster.tick(11.0 + UNSUBSCRIBE_S)
    assert events(roster, Unsubscribe) == [Unsubscribe(Address("10.0.0.1", 7401))]
    roster.tick(11.0 + FORGET_S[Status.DEAD])
    assert events(roster, MemberChanged)[-1].new is None
    assert ID[1] not in roster.tables.members and ID[2] in roster.tables.members


def test_who_left_is_not_heard_any_more():
    roster = roster_of(1)
    roster.set_status(roster.peers[ID[1]], Status.LEFT, 10.0)
    roster.tick(10.1)
    assert events(roster, Unsubscribe) == [Unsubscribe(Address("10.0.0.1", 7401))]


def test_an_endpoint_that_another_node_took_over_is_kept():
    roster = roster_of(1)
    roster.set_status(roster.peers[ID[1]], Status.DEAD, 10.0)
    heir = roster.meet(replace(card(1), id=ID[2]), "10.0.0.1", 11.0, 11.0)
    roster.set_route(heir, address(1))
    events(roster)
    roster.tick(11.0 + UNSUBSCRIBE_S)
    assert events(roster, Unsubscribe) == []


def test_the_digest_is_that_of_the_living_and_their_versions():
    one, other = roster_of(1, 2), roster_of(2, 1)
    assert one.digest() == other.digest()
    one.peers[ID[1]].copy.version = 5
    one.show(ID[1], [])
    assert one.digest() != other.digest()
    for roster in (one, other):
        roster.set_status(roster.peers[ID[1]], Status.DEAD, 1.0)
    assert one.digest() == other.digest() != roster_of(1, 2).digest()


def test_a_message_goes_where_the_peer_answered_or_else_where_it_called_from():
    roster = Roster(card(0), FullMesh(), Random(1), 0.0)
    peer = roster.meet(card(1), "10.0.0.1", 0.0, 0.0)
    roster.send(peer, "lost")
    peer.back = address(9)
    roster.send(peer, "back")
    peer.route = address(1)
    roster.send(peer, "there")
    assert roster.outbox.messages == [(address(9), "back"), (address(1), "there")]
