import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.media.flv import KINDS
from mesh.media.frame import EPOCH_SHIFT, Frame, Kind, Position

KIND_NUMBERS = {Kind.AUDIO: 8, Kind.VIDEO: 9, Kind.META: 18}
EPOCHS = st.integers(1, (1 << 31) - 1)
NUMBERS = st.integers(0, (1 << EPOCH_SHIFT) - 1)


def frame(offset: int) -> Frame:
    return Frame(offset, Kind.VIDEO, 0, 0, False, False, b"")


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_the_number_of_the_flv_tag_and_the_rtmp_message(kind):
    assert kind == KIND_NUMBERS[kind]
    assert KINDS[kind.value] is kind


@given(EPOCHS, NUMBERS)
def test_a_frame_knows_the_epoch_that_numbered_it(epoch, number):
    assert frame(epoch << EPOCH_SHIFT | number).epoch == epoch


@given(EPOCHS, NUMBERS, EPOCHS, NUMBERS)
def test_offsets_order_by_epoch_first(epoch, number, other_epoch, other_number):
    one, other = epoch << EPOCH_SHIFT | number, other_epoch << EPOCH_SHIFT | other_number
    assert (one < other) == ((epoch, number) < (other_epoch, other_number))


def test_the_later_epoch_wins_and_among_equals_the_greater_node_id():
    positions = [Position(1, "b", 9), Position(2, "a", 0), Position(1, "a", 99), Position(2, "b", 0)]
    assert [position[:2] for position in sorted(positions)] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
