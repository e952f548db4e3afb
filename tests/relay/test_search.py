"""The search for who is ahead, alone and in nodes whose sources are lost."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.relay.message import AskHead, Head
from mesh.relay.search import MANY, Search
from mesh.relay.state import State
from tests.relay.lossy import Network, Node, Weather
from tests.relay.sample import STREAM, at, gops
from tests.relay.test_follower import FRAME_S, GOP, chain, is_copy, publish

STALL_S = 0.5


def test_questions_that_nobody_answers_are_forgotten() -> None:
    search = Search(STREAM, lambda: list("abcdefg"), Random(1))
    first = asked(search)
    for _ in range(MANY):
        last = asked(search)
    assert len(search._asked) == MANY
    assert not any(search.answered(Head(STREAM, question.link, None, None), node) for node, question in first.items())
    assert all(search.answered(Head(STREAM, question.link, None, None), node) for node, question in last.items())


def asked(search: Search, besides: str = "") -> dict[str, AskHead]:
    """The next questions, by node."""
    return dict(search.questions(besides))


def test_a_few_are_asked_at_a_time_and_in_the_end_all() -> None:
    search = Search(STREAM, lambda: list("abcdefg"), Random(1))
    assert [sorted(asked(search, "a")) for _ in range(3)] == [list("bcd"), list("efg"), list("bcd")]
    search.end()
    assert sorted(asked(search)) == list("abc")


def test_the_best_of_those_who_are_ahead_is_found_until_there_is_media_again() -> None:
    search = Search(STREAM, lambda: list("abc"), Random(1))
    assert search.ahead_of(0) is None
    for node, question in asked(search).items():
        head = {"a": at(5), "b": at(7), "c": at(9)}[node]
        assert search.answered(Head(STREAM, question.link, (1, "a", head), None), node)
    assert [search.ahead_of(at(n)) for n in (9, 5, 5, 5, 4, 4)] == [None, "b", "c", None, "a", None]
    search.end()
    assert search.ahead_of(0) is None


def test_only_who_was_asked_is_heeded_and_once() -> None:
    search = Search(STREAM, lambda: ["a"], Random(1))
    answer = Head(STREAM, asked(search)["a"].link, None, None)
    assert not search.answered(answer, "b")
    assert search.answered(answer, "a") and not search.answered(answer, "a")
    assert search.ahead_of(0) is None


def watch(node: Node) -> list[float]:
    """When each of its frames comes, from now on."""
    times: list[float] = []
    appended = node.log.on_append

    def note() -> None:
        times.append(node.network.now)
        appended()

    node.log.on_append = note
    return times


def stall_s(times: list[float]) -> float:
    """The longest time without a frame."""
    return max(later - earlier for earlier, later in pairwise(times))


def star(network: Network, leader: str, *ids: str) -> list[Node]:
    """A leader and replicas that all fetch from it."""
    nodes = [network.node(id) for id in (leader, *ids)]
    for node in nodes[1:]:
        node.fetch(leader)
    return nodes


def acquaint(*nodes: Node) -> None:
    """Let these know of each other, in this order of preference."""
    for node in nodes:
        node.others = [other.id for other in nodes if other is not node]


@pytest.mark.parametrize("dies", range(1, 3))
def test_in_a_chain_all_below_a_dead_node_go_on_and_only_the_nearest_moves(dies: int) -> None:
    network = Network()
    nodes = chain(network, *"abcd")
    acquaint(*nodes)
    end = publish(nodes[0], gops(200, GOP))
    arrivals = [watch(node) for node in nodes]
    network.at(2, lambda: network.away.add("abcd"[dies]))
    network.run(end + 1)
    for node, times in zip(nodes[dies + 1 :], arrivals[dies + 1 :], strict=True):
        assert is_copy(node, nodes[0]) and node.follower.skips == 0
        assert stall_s(times) < STALL_S
    moved, *below = nodes[dies + 1 :]
    assert moved.follower.supplier == "a"
    assert [node.follower.supplier for node in below] == [id for id in "cd"[dies - 1 :] if id != "d"]


def test_a_chain_whose_middle_node_cannot_move_is_left_by_those_below() -> None:
    network = Network()
    nodes = chain(network, *"abcd")
    acquaint(*nodes)
    nodes[2].others = []
    end = publish(nodes[0], gops(200, GOP))
    times = watch(nodes[3])
    network.at(2, lambda: network.away.add("b"))
    network.run(end + 1)
    assert is_copy(nodes[3], nodes[0])
    assert nodes[3].follower.supplier == "a"
    assert stall_s(times) < 1


def test_a_replica_cut_off_from_the_leader_goes_on_from_a_sister() -> None:
    network = Network()
    a, b, c = star(network, *"abc")
    acquaint(a, b, c)
    end = publish(a, gops(200, GOP))
    times = watch(c)
    network.at(2, lambda: network.broken.update({("a", "c"), ("c", "a")}))
    network.run(end + 1)
    assert c.follower.supplier == "b" and is_copy(c, a)
    assert stall_s(times) < STALL_S


def test_who_loses_one_supplier_after_the_other_goes_on_from_a_third() -> None:
    network = Network()
    a, b, c, d = star(network, *"abcd")
    acquaint(a, b, c, d)
    end = publish(a, gops(300, GOP))
    times = watch(d)
    network.at(2, lambda: network.broken.update({("a", "d"), ("d", "a")}))
    network.at(2.5, lambda: network.broken.update({("b", "d"), ("d", "b")}))
    network.run(end + 1)
    assert d.follower.supplier == "c" and is_copy(d, a)
    assert stall_s(times) < 2 * STALL_S


def test_media_that_never_arrives_though_the_supplier_answers_is_fetched_elsewhere() -> None:
    network = Network()
    a, b, c = star(network, *"abc")
    acquaint(a, b, c)
    end = publish(a, gops(300, GOP))
    network.at(2, lambda: network.dark.add(("a", "c")))
    network.run(end + 3)
    assert State.LOST in c.states
    assert is_copy(c, a) and c.follower.supplier == "b"


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 1 << 32),
    st.permutations("bcdef").map("".join),
    st.dictionaries(st.sampled_from("bcdef"), st.floats(0, 1), min_size=2),
)
def test_the_end_of_a_dead_leaders_log_reaches_all_who_survive(seed: int, order: str, cuts: dict[str, float]) -> None:
    network = Network(seed, Weather(drop=0.1, delay_s=0.005))
    leader, *replicas = star(network, "a", *order)
    acquaint(*replicas)
    publish(leader, gops(200, GOP))
    for id, cut in cuts.items():
        network.at(2 + cut, lambda id=id: network.broken.update({("a", id), (id, "a")}))
    network.at(2 + max(cuts.values()), lambda: network.away.add("a"))
    network.run(30)
    heads = {node.log.head for node in replicas}
    assert len(heads) == 1
    assert all(node.follower.skips == 0 and is_copy(node, replicas[0]) for node in replicas)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 1 << 32),
    st.lists(st.tuples(st.floats(0.5, 4), st.sampled_from("bcde"), st.floats(0.3, 3)), max_size=6),
    st.floats(0, 0.2),
)
def test_whoever_stops_and_wakes_replicas_hold_what_the_leader_wrote(
    seed: int, stops: list[tuple[float, str, float]], drop: float
) -> None:
    network = Network(seed, Weather(drop=drop, delay_s=0.01))
    nodes = chain(network, *"abcde")
    acquaint(*nodes)
    end = publish(nodes[0], gops(250, GOP))
    for time, id, length in stops:
        network.at(time, lambda id=id: network.away.add(id))
        network.at(time + length, lambda id=id: network.away.discard(id))
    network.run(end)
    network.weather = Weather()
    network.run(end + 15)
    for node in nodes[1:]:
        assert is_copy(node, nodes[0]) and node.follower.skips == 0
        assert node.id not in node.follower.path, "no ring lasts"


def test_a_publisher_who_pauses_moves_nobody() -> None:
    network = Network()
    nodes = chain(network, *"abcd")
    acquaint(*nodes)
    end = publish(nodes[0], gops(50, GOP))
    publish(nodes[0], [frame for frame in gops(100, GOP) if frame.offset & 0xFFFF > 50], end + 20)
    network.run(end + 20 + 50 * FRAME_S + 1)
    assert [node.follower.supplier for node in nodes[1:]] == ["a", "b", "c"]
    assert all(is_copy(node, nodes[0]) for node in nodes[1:])
