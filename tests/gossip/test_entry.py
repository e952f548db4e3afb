import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.entry import MAX_EPOCH, LeadValue, decode_entry, encode_entry
from mesh.gossip.member import Lead, LeadState, Replica
from mesh.media.wire import encode
from tests.gossip.company import card

ME = card(1).id

CASES = [
    card(1),
    Lead(ME, "live/x", 3, LeadState.CLAIM),
    Lead(ME, "live/x", 3, LeadState.STANDBY, over="b" * 32),
    Lead(ME, "live/x", 3, LeadState.STALLED, "h264 1280x720", "aac 48000x2", 2500),
    Replica(ME, "live/a b", MAX_EPOCH, card(2).id, (card(3).id, card(2).id)),
    Replica(ME, "live/y", 1, "", ()),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
def test_an_entry_survives_its_way(case):
    assert decode_entry(ME, *encode_entry(case)) == case


def test_an_entry_is_its_origins_whoever_wrote_it():
    key, value = encode_entry(Lead(card(2).id, "live/x", 3, LeadState.LIVE))
    assert decode_entry(ME, key, value) == Lead(ME, "live/x", 3, LeadState.LIVE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case).__name__)
def test_an_entry_under_anothers_key_means_nothing(case):
    _, value = encode_entry(case)
    assert decode_entry(ME, "x/live/x", value) is None
    assert decode_entry(ME, "", value) is None


def test_an_entry_of_a_newer_version_means_nothing_yet():
    assert decode_entry(ME, "s/live/x", encode(LeadValue(1, "dreaming", "", "", 0))) is None
    assert decode_entry(ME, "z/whatever", b"\x93\x63\x01\x02") is None
    assert decode_entry(ME, "s/live/\x1b[2J", encode(LeadValue(1, "live", "", "", 0))) is None


@pytest.mark.parametrize("epoch", [-1, MAX_EPOCH + 1, 1 << 63])
def test_an_epoch_that_no_offset_has_room_for_means_nothing(epoch):
    assert decode_entry(ME, "s/live/x", encode(LeadValue(epoch, "live", "", "", 0))) is None


@pytest.mark.parametrize(
    "wrong",
    [{"gossip": -1}, {"name": "x\n2026 ERROR forged"}, {"addresses": ("_/",)}, {"addresses": ("a",) * 17}],
    ids=str,
)
def test_a_card_beyond_reason_means_nothing_whichever_way_it_came(wrong):
    for changes, expected in ((wrong, None), ({}, card(1))):
        key, value = encode_entry(card(1, **changes))
        assert decode_entry(card(1).id, key, value) == expected


@given(st.text(), st.binary())
def test_garbage_means_nothing(key, value):
    assert decode_entry(ME, key, value) is None
