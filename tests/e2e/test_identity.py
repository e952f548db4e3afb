"""Two nodes with one identity: a state directory that was copied, and both are started."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, wait_until


def copied(cluster: Cluster, original: Node, directory: Path, seed: Node) -> Node:
    """A node with a copy of another's directory, not started yet."""
    shutil.copytree(directory / f"data-{original.name}", directory / "data-copy")
    return cluster.create("copy", mesh__seeds=f"127.0.0.1:{seed.mesh_port}")


@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "both at once"])
def test_of_a_node_and_its_copy_one_stops_and_says_why(cluster: Cluster, tmp_path: Path, together: bool):
    a, b, original = cluster.start("a", "b", "original")
    if together:
        original.stop()
    copy = copied(cluster, original, tmp_path, seed=b)
    copy.start()
    if together:
        original.start()
    wait_until(lambda: not (original.running and copy.running), "one of the two has stopped")
    (loser, winner) = (original, copy) if copy.running else (copy, original)
    assert loser.wait() == 3
    assert "another node runs with a copy of" in loser.log
    for node in (a, b):
        wait_until(lambda node=node: node.sees("a", "b", winner.name), f"{node.name} sees the other go on")


def test_a_node_that_lost_all_but_its_key_is_taken_back(cluster: Cluster, tmp_path: Path):
    """Its incarnation begins anew, not above the one that the others remember."""
    a, b, lost = cluster.start("a", "b", "lost")
    incarnations = [known(a)]
    for _ in range(2):
        lost.kill()
        (tmp_path / "data-lost" / "memory.json").unlink()
        lost.start()
        for node in (a, b, lost):
            wait_until(lambda node=node: node.sees("a", "b", "lost"), f"{node.name} sees all")
        incarnations.append(known(a))
    assert incarnations == sorted(incarnations) and lost.running


def known(observer: Node) -> int:
    """The incarnation by which another knows the node that is lost and found."""
    rows = observer.json("/api/v1/nodes")["nodes"]
    return next(row["incarnation"] for row in rows if row["name"] == "lost" and row["status"] == "alive")
