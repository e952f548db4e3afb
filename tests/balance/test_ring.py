from hypothesis import given
from hypothesis import strategies as st

from mesh.balance.ring import rank, turned


def test_a_rank_is_written_like_an_id_and_always_the_same():
    assert rank("live/x", "a") == rank("live/x", "a") != rank("live/x", "b")
    assert len(rank("a")) == 32


@given(st.lists(st.text("abc"), unique=True).map(sorted), st.text("abcd"))
def test_a_ring_is_gone_round_once_from_its_point_on(ring, point):
    nodes = [*turned(ring, point)]
    later = [node for node in ring if node >= point]
    assert nodes == later + ring[: len(ring) - len(later)]
