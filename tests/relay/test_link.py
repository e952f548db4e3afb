from mesh.media.frame import Position
from mesh.relay.link import Link
from mesh.relay.message import AskHead, Close, Credit, Open
from tests.relay.sample import LEADER, STREAM, at


def test_it_is_asked_to_be_opened_and_then_for_its_head() -> None:
    link = Link(STREAM, 7, "s", Position(1, LEADER, at(31)), 1000, 0)
    assert link.question() == Open(STREAM, 7, (1, LEADER, at(31)), 1000)
    assert link.next == at(31)
    link.opened = True
    assert link.question() == AskHead(STREAM, 7)


def test_a_new_one_begins_anywhere() -> None:
    link = Link(STREAM, 7, "s", None, 1000, 0)
    assert link.question() == Open(STREAM, 7, None, 1000) and link.next == 0


def test_it_grants_credit_and_ends() -> None:
    link = Link(STREAM, 7, "s", None, 1000, 0)
    link.window.received = 1000
    assert link.credit(0.001, 1000) == Credit(STREAM, 7, link.window.total)
    assert link.close() == Close(STREAM, 7)
