import pytest

from mesh.gossip.overlay import FullMesh


@pytest.mark.parametrize(("members", "period"), [(1, 0.5), (64, 0.5), (100, 0.78125), (128, 1.0), (200, 1.5625)])
def test_hearts_beat_slower_from_64_members_on(members, period):
    assert FullMesh().period(members) == period


def test_in_a_full_mesh_everyone_hears_everyone():
    assert FullMesh().neighbours(["a", "b"]) == ["a", "b"]
