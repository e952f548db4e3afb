import msgpack
import pytest

from mesh.control.message import HELD, ROWS, Ask, Gathering, Held, HeldAnswer, held_answers
from mesh.media import wire

CASES = [
    (Ask(7, HELD, ""), [64, 7, "held", ""]),
    (Ask(1 << 62, HELD, "live/x"), [64, 1 << 62, "held", "live/x"]),
    (HeldAnswer(7, (), False), [65, 7, [], False]),
    (HeldAnswer(7, (Held("live/x", 3 << 32, 2),), True), [65, 7, [["live/x", 3 << 32, 2, 0, 0, 0]], True]),
]


def rows(count):
    return [Held(f"live/{number:0194}", (1 << 63) - 1, 100_000) for number in range(count)]


@pytest.mark.parametrize(("message", "array"), CASES)
def test_messages_travel_as_arrays(message, array):
    assert msgpack.unpackb(wire.encode(message)) == array
    assert wire.decode(msgpack.packb(array)) == message


@pytest.mark.parametrize("count", [0, 1, ROWS, ROWS + 1, 2 * ROWS, 1000])
def test_an_answer_comes_in_messages_that_may_travel_and_the_last_says_so(count):
    answers = list(held_answers(7, rows(count)))
    assert [row for answer in answers for row in answer.rows] == rows(count)
    assert [answer.more for answer in answers] == [True] * (len(answers) - 1) + [False]
    assert all(wire.decode(wire.encode(answer)) == answer for answer in answers)


def test_whoever_has_not_said_everything_is_missing():
    gathering = Gathering(7, ["a", "b"])
    first, last = held_answers(7, rows(ROWS + 1))
    gathering.take("a", first)
    assert gathering.missing == {"a", "b"}
    gathering.take("a", last)
    gathering.take("b", HeldAnswer(7, (), False))
    assert gathering.missing == set()
    assert len(gathering.held["a"]) == ROWS + 1
    assert gathering.held["b"] == {}


def test_answers_to_another_question_and_of_somebody_else_are_ignored():
    gathering = Gathering(7, ["a"])
    gathering.take("a", HeldAnswer(8, (Held("live/x", 1, 1),), False))
    gathering.take("z", HeldAnswer(7, (Held("live/x", 1, 1),), False))
    assert gathering.held == {}
    assert gathering.missing == {"a"}
