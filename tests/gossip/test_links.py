import pytest

from mesh.gossip.member import Link
from mesh.gossip.message import Beat, Ping, Pong
from tests.gossip.company import Company, beat, card


def pings(company: Company) -> list[tuple[object, Ping]]:
    return [(to, ping) for to, ping in company.sent(Ping) if ping.nonce]


def test_a_new_peer_is_measured_at_once():
    company = Company()
    company.meet(1)
    ((_, ping),) = pings(company)
    company.now += 0.004
    company.say(1, Pong(ping.nonce))
    link = company.member(0).links[card(1).id]
    assert (round(link.rtt_ms, 6), link.loss) == (4.0, 0.0)


def test_a_shorter_way_counts_at_once_and_a_longer_one_little():
    company = Company()
    for rtt in (0.008, 0.004, 0.012):
        company.meet(1) if rtt == 0.008 else company.wait(2.1, 1)
        *_, (_, ping) = pings(company)
        company.membership.links._pings[card(1).id] = (ping.nonce, company.now)
        company.now += rtt
        company.say(1, Pong(ping.nonce))
    assert round(company.member(0).links[card(1).id].rtt_ms, 6) == 5.0


def test_a_pong_that_nobody_asked_for_is_ignored():
    company = Company(1)
    company.say(1, Pong(12345))
    company.say(1, Pong(0))
    assert company.member(0).links == {}


def test_all_links_are_told_in_turn_and_all_peers_pinged():
    company = Company(*range(1, 8))
    for number in range(1, 8):
        company.member(0).links[card(number).id] = Link(float(number), 0.0)
    told, pinged = set(), set()
    for _ in range(16):
        company.wait(0.55, *range(1, 8))
        for to, message in company.sent(Beat | Ping):
            if isinstance(message, Beat):
                assert len(message.links) <= 4
                told |= {(peer.hex(), rtt) for peer, rtt, _ in message.links}
            elif message.nonce:
                pinged.add(to.host)
    assert told == {(card(number).id, 100 * number) for number in range(1, 8)}
    assert pinged == {f"10.0.0.{number}" for number in range(1, 8)}


def test_jitter_is_how_far_round_trips_are_apart_and_not_how_long_they_take():
    company = Company()
    for rtt in (0.050, 0.050, 0.058, 0.050):
        company.meet(1) if not company.member(0).links else company.wait(2.1, 1)
        *_, (_, ping) = pings(company)
        company.membership.links._pings[card(1).id] = (ping.nonce, company.now)
        company.now += rtt
        company.say(1, Pong(ping.nonce))
    assert company.member(0).links[card(1).id].jitter_ms == pytest.approx(1.0 * 7 / 8 + 1.0, abs=0.01)


def test_what_streams_bring_is_told_beside_the_jitter_and_ends_with_them():
    company, peer = Company(1, 2), card(1).id
    company.member(0).links[peer] = Link(1.5, 0.25, jitter_ms=0.5)
    company.membership.links.carry({peer: 2_100_000, card(2).id: 7})
    assert company.member(0).links == {peer: Link(1.5, 0.25, 0.5, 2_100_000)}
    company.wait(0.55, 1, 2)
    told, *_ = [message for _, message in company.sent(Beat)]
    assert (told.links, told.ways) == (((bytes.fromhex(peer), 150, 250),), ((50, 2100),))
    company.membership.links.carry({})
    assert company.member(0).links[peer].bps == 0


def test_the_links_of_others_are_taken_with_as_much_as_they_tell_of_them():
    company = Company(1, 2)
    rows = tuple([(bytes.fromhex(card(number).id), 150, 250) for number in (0, 2)])
    company.say(1, beat(50, links=rows, ways=((50, 2100),)))
    assert company.member(1).links == {
        card(0).id: Link(1.5, 0.25, 0.5, 2_100_000),
        card(2).id: Link(1.5, 0.25, 0.0, 0),
    }


def test_a_clock_is_read_halfway_there_and_back_and_a_late_answer_tells_little():
    company = Company()
    company.membership.links.epoch_ms = 500_000.0
    for rtt, offset in (0.040, 3000), (0.030, 4000), (0.600, 12_000):
        company.meet(1) if not company.member(0).links else company.wait(2.1, 1)
        *_, (_, ping) = pings(company)
        company.membership.links._pings[card(1).id] = (ping.nonce, company.now)
        company.now += rtt
        halfway = 500_000 + 1000 * (company.now - rtt / 2)
        company.say(1, Pong(ping.nonce, int(halfway + offset)))
    assert company.member(0).links[card(1).id].offset_ms == pytest.approx(4000 + 8000 / 8, abs=2)


def test_a_ping_is_answered_with_the_wall_clock():
    company = Company(1)
    company.membership.links.epoch_ms = 500_000.0
    company.say(1, Ping(7))
    ((_, pong),) = company.sent(Pong)
    assert pong == Pong(7, int(500_000 + 1000 * company.now))
