import pytest

from mesh.errors import WireError
from mesh.gossip.member import Lead, LeadState, Status
from mesh.gossip.message import Age, Bye, Delta, Hello, Known, Pull, Snap, Sync
from mesh.gossip.overlay import PERIOD, FullMesh
from tests.gossip.company import Company, address, beat, card, lead, pull, sender
from tests.gossip.test_roster import change

ID = [card(number).id for number in range(9)]


def row(number: int, version: int = 1, boot: str = "", incarnation: int = 1) -> tuple[str, str, int, int]:
    return ID[number], boot or card(number).boot, incarnation, version


def test_what_a_node_puts_leaves_at_once_for_all():
    company = Company(1)
    company.membership.put(lead(0))
    ((to, delta),) = company.sent()
    assert to is None and isinstance(delta, Delta)
    assert (delta.version - delta.base, [key for key, _, _ in delta.changes]) == (1, ["s/live/x"])
    assert company.tables.leader("live/x") == lead(0)
    company.membership.delete("s/live/x")
    ((_, delta),) = company.sent()
    assert delta.changes == (("s/live/x", delta.version, None),)
    company.membership.delete("s/live/x")
    assert company.sent() == []


def test_what_another_puts_is_in_the_tables():
    company = Company(1)
    company.say(1, Delta(1, 2, (change(lead(1)),)))
    assert company.tables.leader("live/x") == lead(1)


def test_a_gap_is_pulled_from_its_origin_at_once_and_once():
    company = Company(1, 2)
    company.say(1, Delta(4, 5, (change(lead(1), 5),)))
    company.say(1, Delta(5, 6, (change(lead(1, epoch=2), 6),)))
    assert company.sent(Pull) == [(address(1), pull(1, 1))]
    assert company.tables.leader("live/x") is None
    company.say(1, Delta(1, 6, (change(lead(1, epoch=2), 6),)))
    assert company.tables.leader("live/x").epoch == 2


def test_a_beat_with_a_newer_version_is_a_gap_too_and_asked_for_again_if_need_be():
    company = Company(1)
    for seq in (1000, 1001):
        company.say(1, beat(seq, version=9))
        assert company.sent(Pull) == [(address(1), pull(1, 1))]
        company.wait(0.5)
        company.sent()


def test_who_asks_gets_the_changes_he_lacks_or_everything():
    company = Company(1)
    version = company.membership._roster.ledger.version
    for epoch in range(3):
        company.membership.put(lead(0, epoch=epoch))
    company.sent()
    company.say(1, Pull(ID[0], card(0).boot, version + 1))
    company.say(1, Pull(ID[0], card(0).boot, version + 99))
    company.say(1, Pull(ID[0], "f" * 16, version + 3))
    assert [(to, type(answer), len(answer.changes)) for to, answer in company.sent()] == [
        (address(1), Delta, 1), (address(1), Snap, 2),
    ]  # fmt: skip


def test_a_snapshot_of_an_origin_replaces_what_was_there():
    company = Company(1)
    company.say(1, Delta(1, 2, (change(lead(1, "live/old")),)))
    company.say(1, Snap(ID[1], card(1).boot, 9, 0, 1, (change(card(1), 1), change(lead(1), 9))))
    assert [*company.tables.streams()] == ["live/x"]
    company.say(1, Snap(ID[1], "f" * 16, 99, 0, 1, ()))
    assert [*company.tables.streams()] == ["live/x"]


def test_what_a_third_node_says_of_an_origin_is_taken_only_when_it_was_asked():
    company = Company(1, 2, 3)
    everything = Snap(ID[1], card(1).boot, 9, 0, 1, (change(card(1), 1), change(lead(1), 9)))
    with pytest.raises(WireError, match="unasked"):
        company.say(2, everything)
    company.wait(1.7, 2, 3)
    company.say(2, Age(ID[1], 100, False))
    company.wait(0.15, 2, 3)
    assert company.status(1) is Status.UNREACHABLE
    company.sent()
    company.say(2, Known((row(1, version=9),), (("10.0.0.1:7400",),)))
    assert company.sent(Pull) == [(address(2), pull(1, 1))]
    with pytest.raises(WireError, match="unasked"):
        company.say(3, everything)
    company.say(2, everything)
    assert company.tables.leader("live/x") == lead(1)
    with pytest.raises(WireError, match="unasked"):
        company.say(2, everything)


def test_a_third_node_is_told_what_an_origin_said_that_it_cannot_reach():
    company = Company(1, 2)
    company.say(1, Delta(1, 2, (change(lead(1)),)))
    company.sent()
    company.say(2, pull(1, 1))
    company.say(2, Pull(ID[1], "f" * 16, 1))
    company.say(2, Pull(ID[7], card(7).boot, 1))
    ((to, snap),) = company.sent()
    assert (to, snap.origin, snap.version, len(snap.changes)) == (address(2), ID[1], 2, 2)


def test_two_digests_in_a_row_that_are_not_ours_begin_a_comparison():
    company = Company(1)
    company.say(1, beat(1000, digest=company.membership.digest()))
    company.wait(0.3)
    assert company.sent(Sync) == []
    for seq in (1001, 1002):
        assert company.sent(Sync) == []
        company.say(1, beat(seq, digest=5))
        company.wait(0.3)
    ((to, sync),) = company.sent(Sync)
    assert (to, sync.last, {ID for ID, *_ in sync.rows}) == (address(1), False, {ID[0], ID[1]})
    for seq in range(1003, 1007):
        company.say(1, beat(seq, digest=5))
        company.wait(0.5)
    assert company.sent(Sync) == []
    company.wait(4.0, 1)
    company.say(1, beat(2000, digest=5))
    company.say(1, beat(2001, digest=5))
    company.wait(1.0, 1)
    assert len(company.sent(Sync)) == 1


class Slower(FullMesh):
    """Hearts beat a second later than in a small mesh."""

    def period(self, members: int) -> float:
        return PERIOD + 1.0


@pytest.mark.parametrize(("up_to_date", "comparisons"), [(False, 1), (True, 0)])
def test_where_hearts_beat_slower_a_comparison_waits_for_a_newer_digest(up_to_date: bool, comparisons: int):
    company = Company(1, overlay=Slower())
    company.say(1, Known((), ()))
    for seq in (1000, 1001):
        company.say(1, beat(seq, digest=5))
    company.wait(0.9)
    assert company.sent(Sync) == []
    company.say(1, beat(1002, digest=company.membership.digest() if up_to_date else 5))
    company.wait(0.2)
    assert len(company.sent(Sync)) == comparisons


def test_a_comparison_is_answered_with_what_the_other_lacks():
    company = Company(1, 2, 3)
    company.say(1, Sync((row(0, 99), row(1, 5), row(2, 1)), last=False))
    ((to, known),) = company.sent(Known)
    assert to == address(1)
    assert known == Known((row(3),), (("10.0.0.3:7400",),))


def test_and_with_a_comparison_of_our_own_if_we_lack_something_but_only_once():
    company = Company(1)
    for last in (False, True):
        company.say(1, Sync((row(0, 99), row(7)), last=last))
        assert [type(message) for _, message in company.sent(Known | Sync)] == ([Known] if last else [Known, Sync])


def test_whoever_is_heard_of_is_tried_not_believed():
    company = Company(1)
    company.say(1, Known((row(7), row(0, 5)), (("10.0.0.7:7400", "nonsense", "10.0.0.7:0"), ("10.0.0.9:7400",))))
    company.wait(0.1)
    assert ID[7] not in company.tables.members
    assert [to for to, _ in company.sent(Hello)] == [address(7)]


def test_a_node_that_left_is_not_tried_because_another_has_not_heard_of_it():
    company = Company(1, 2)
    company.membership.receive(Bye(), sender(2), company.now)
    company.say(1, Known((row(2, 9),), (("10.0.0.2:7400",),)))
    company.wait(0.1)
    assert company.sent(Hello) == []


def test_a_peer_that_is_behind_is_not_asked_for_what_we_have():
    company = Company(1, 2)
    company.say(1, Known((row(2, 1),), (("10.0.0.2:7400",),)))
    company.wait(0.1)
    assert company.sent(Hello | Pull) == []


def test_a_big_ledger_travels_whole():
    here, there = Company(1), Company(2)
    for number in range(600):
        here.membership.put(Lead(ID[0], f"live/{number}", number, LeadState.LIVE, "h264 1920x1080 " * 8))
    here.sent()
    here.say(1, Pull(ID[0], card(0).boot, 9999))
    for _, snap in here.sent(Snap):
        there.say(2, Snap(ID[2], card(2).boot, snap.version, snap.part, snap.parts, snap.changes))
    assert len([*there.tables.streams()]) == 600
    assert there.tables.leader("live/599").epoch == 599
