from dataclasses import replace

import msgpack
import pytest

from mesh.errors import WireError
from mesh.gossip.member import Load
from mesh.gossip.message import Message, Sync, check_beat, check_card
from mesh.media.wire import MAX_MESSAGE, decode, encode
from tests.gossip.company import beat, card, sender
from tests.gossip.sample import CASES

BAD_CARDS = [
    ({"incarnation": 0}, "incarnation 0"),
    ({"incarnation": 1 << 60}, "incarnation"),
    ({"name": "x" * 64}, "printable"),
    ({"zone": "a\nb"}, "printable"),
    ({"control": 70_000}, "port 70000"),
    ({"rtmp": -1}, "port -1"),
    ({"addresses": ("10.0.0.1",) * 17}, "17 addresses"),
    ({"addresses": ("10.0.0.1;rm",)}, "hosts"),
    ({"addresses": ("",)}, "hosts"),
]

BAD_BEATS = [
    {"state": 9},
    {"seq": -1},
    {"version": -1},
    {"uptime_ms": -1},
    {"load": Load(cpu=-0.5)},
    {"load": Load(players=-1)},
    {"load": Load(ill="x" * 121)},
    {"load": Load(ill="disk\nis full")},
    {"links": ((bytes(15), 1, 1),)},
    {"links": ((bytes(16), -1, 1),)},
    {"links": ((bytes(16), 1, 1),) * 17},
    {"ways": ((1, 1),)},
    {"links": ((bytes(16), 1, 1),), "ways": ((-1, 1),)},
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
def test_a_message_survives_its_way(case):
    assert decode(encode(case)) == case


def test_every_kind_of_message_is_tried_here():
    assert {type(case) for case in CASES} == set(Message.__args__)


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
def test_a_message_cut_short_is_an_error(case):
    whole = encode(case)
    for end in range(len(whole)):
        with pytest.raises(WireError):
            decode(whole[:end])


def test_a_beat_is_small_and_a_comparison_of_a_thousand_members_fits():
    assert (
        len(encode(beat(links=((bytes(16), 34500, 1000),) * 4, ways=((90, 99_000),) * 4, digest=(1 << 64) - 1))) < 200
    )
    rows = tuple([(card(number).id, card(number).boot, 1 << 20, 1 << 20) for number in range(1000)])
    assert len(encode(Sync(rows, last=True))) < MAX_MESSAGE


def test_a_beat_of_an_older_node_says_less_of_its_load():
    kind, *values = msgpack.unpackb(encode(beat()))
    older = [value[:8] if isinstance(value, list) and len(value) > 8 else value for value in values]
    assert older != values
    assert decode(msgpack.packb([kind, *older])) == beat()


def test_a_card_is_its_senders_own():
    check_card(card(1), sender(1))
    for other in (sender(2), sender(1, boot="f" * 16)):
        with pytest.raises(WireError, match="came from"):
            check_card(card(1), other)


@pytest.mark.parametrize(("changes", "said"), BAD_CARDS, ids=str)
def test_a_card_is_within_reason(changes, said):
    with pytest.raises(WireError, match=said):
        check_card(card(1, **changes), sender(1))


@pytest.mark.parametrize("changes", BAD_BEATS, ids=str)
def test_a_beat_is_within_reason(changes):
    check_beat(beat())
    with pytest.raises(WireError):
        check_beat(replace(beat(), **changes))
