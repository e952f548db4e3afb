from dataclasses import dataclass, field, make_dataclass
from itertools import count
from math import inf, nan
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import WireError
from mesh.media import wire
from mesh.media.wire import decode, encode, message

KINDS = count(100)
"""Numbers that no floor has taken."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A part of messages, itself none."""

    name: str
    port: int = 7400


@message(96)
@dataclass(frozen=True, slots=True)
class Everything:
    """A message with a field of every form."""

    number: int
    share: float
    text: str
    blob: bytes
    switch: bool
    perhaps: str | None
    many: tuple[int, ...]
    row: tuple[str, float, bytes | None]
    table: dict[str, tuple[int, ...]]
    peer: Peer
    peers: tuple[Peer, ...]
    by_name: dict[str, Peer]
    rank: int = 7
    notes: tuple[str, ...] = field(default_factory=tuple)


@message(97)
@dataclass(frozen=True, slots=True)
class Young:
    """What a newer node says: `Old`, and more."""

    number: int
    peer: Peer
    since: float = 0.5
    also: tuple[str, ...] = ()


@message(98)
@dataclass(frozen=True, slots=True)
class Old:
    """What an older node says."""

    number: int
    peer: tuple[str]


SAMPLE = Everything(
    -1,
    0.25,
    "grün",
    b"\0\xff",
    True,
    None,
    (1, 2),
    ("a", 1.0, None),
    {"x": (3,), "": ()},
    Peer("p", 1),
    (),
    {"q": Peer("q")},
)
ARRAY = [
    96,
    -1,
    0.25,
    "grün",
    b"\0\xff",
    True,
    None,
    [1, 2],
    ["a", 1.0, None],
    {"x": [3], "": []},
    ["p", 1],
    [],
    {"q": ["q", 7400]},
]

FORMS: dict[Any, tuple[list[Any], list[Any]]] = {
    # annotation: values that it takes, values that it does not
    int: ([0, -1, (1 << 64) - 1, -(1 << 63)], [True, 1.0, "1", b"1", None, [1], {}]),
    float: ([0.5, -0.0, 1e300], [nan, inf, -inf, True, "1", b"", None, []]),
    str: (["", "ä", "x" * 4096], [b"x", 1, None, ["x"]]),
    bytes: ([b"", b"\xff" * 1000], ["x", 1, None, [1]]),
    bool: ([True, False], [0, 1, None, "true"]),
    str | None: ([None, "x"], [1, b"x", []]),
    float | None: ([None, 0.5], [nan, "x"]),
    tuple[int, ...]: ([(), (1, 2), tuple(range(4096))], [1, None, {}, ["1"], [1, None], "12", b"12"]),
    tuple[str, int]: ([("a", 1)], [[], ["a"], [1, "a"], ["a", 1, 2], None, {}]),
    tuple[tuple[str, bytes | None], ...]: ([(), (("a", None), ("b", b""))], [[["a"]], [["a", 1]], ["ab"]]),
    dict[str, int]: ([{}, {"": 1, "ä": -1}], [[], None, {"a": "b"}, {b"a": 1}, {"a": None}]),
    dict[str, tuple[str, ...]]: ([{"a": ("b",)}], [{"a": "b"}, {"a": [1]}]),
    Peer: ([Peer("a", 1)], [[], [1], ["a", "b"], None, {}, {"name": "a"}, "a"]),
    Peer | None: ([None, Peer("a", 1)], [[], 0]),
    tuple[Peer, ...]: ([(), (Peer("a"), Peer("b"))], [["a"], [["a"], None]]),
    dict[str, Peer]: ([{"a": Peer("b")}], [{"a": {}}]),
}
UNKNOWN_FORMS = [Any, list[int], set, complex, object]
HOSTILE = {
    "nothing": b"",
    "no msgpack": b"\xc1",
    "trailing bytes": encode(SAMPLE) + b"\0",
    "half a message": encode(SAMPLE)[:-1],
    "two messages": encode(SAMPLE) * 2,
    "a number": b"\x60",
    "nil": b"\xc0",
    "an empty array": b"\x90",
    "a map": b"\x81\xa1a\x01",
    "a kind that is a string": b"\x91\xa2ab",
    "a kind that is true": b"\x91\xc3",
    "a kind that is a float": msgpack.packb([96.0]),
    "an unknown kind": msgpack.packb([95000]),
    "a negative kind": msgpack.packb([-1]),
    "arrays in arrays without end": b"\x91" * 60_000,
    "arrays as deep as msgpack takes them": b"\x92\x60" + b"\x91" * 509 + b"\xc0",
    "maps as deep as msgpack takes them": b"\x92\x60" + b"\x81\xa0" * 509 + b"\xc0",
    "an array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "a map of 4 billion": b"\xdf\xff\xff\xff\xff",
    "a string of 4 GiB": b"\xdb\xff\xff\xff\xff",
    "an array too long": msgpack.packb([96, *range(4096)]),
    "an extension": b"\x92\x60\xc7\x01\x05a",
    "a timestamp": b"\x92\x60\xd6\xff\0\0\0\0",
    "bad UTF-8": b"\x92\x60\xa2\xff\xfe",
    "a lone surrogate": b"\x92\x60\xa3\xed\xa0\x80",
    "a key that is an array": b"\x92\x60\x81\x90\x01",
    "a key that is a number": b"\x92\x60\x81\x01\x01",
    "too few fields": msgpack.packb([96, 1, 0.5]),
    "too long": b"\xc4" + b"\0" * wire.MAX_MESSAGE,
}

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PEERS = st.builds(Peer, TEXT, st.integers(0, 65535))
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
MESSAGES = st.builds(
    Everything,
    NUMBERS,
    FLOATS,
    TEXT,
    st.binary(max_size=8),
    st.booleans(),
    st.none() | TEXT,
    st.lists(NUMBERS, max_size=3).map(tuple),
    st.tuples(TEXT, FLOATS, st.none() | st.binary(max_size=3)),
    st.dictionaries(TEXT, st.lists(NUMBERS, max_size=2).map(tuple), max_size=3),
    PEERS,
    st.lists(PEERS, max_size=3).map(tuple),
    st.dictionaries(TEXT, PEERS, max_size=3),
    NUMBERS,
    st.lists(TEXT, max_size=2).map(tuple),
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXT | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=15) | st.dictionaries(TEXT | st.binary(max_size=2) | NUMBERS, inner, max_size=3)
    ),
    max_leaves=25,
)


def one_field(form: Any) -> type:
    """A message with one field of this form."""
    cls = make_dataclass("OneField", [("value", form)], frozen=True, slots=True)
    return message(next(KINDS))(cls)


ONE_FIELD = {form: one_field(form) for form in FORMS}
GOOD = [(form, value) for form, (good, _) in FORMS.items() for value in good]
BAD = [(form, value) for form, (_, bad) in FORMS.items() for value in bad]


def test_a_message_is_an_array_that_begins_with_its_kind():
    assert msgpack.unpackb(encode(SAMPLE)) == [*ARRAY, 7, []]


def test_an_array_is_decoded_and_defaults_fill_what_it_lacks():
    assert decode(msgpack.packb(ARRAY)) == SAMPLE


@pytest.mark.parametrize(("form", "value"), GOOD, ids=repr)
def test_a_field_takes_what_its_annotation_says(form, value):
    sent = ONE_FIELD[form](value)
    assert decode(encode(sent)) == sent


@pytest.mark.parametrize(("form", "value"), BAD, ids=repr)
def test_a_field_takes_nothing_else(form, value):
    cls = ONE_FIELD[form]
    with pytest.raises(WireError, match=r"OneField\.value"):
        decode(msgpack.packb([cls.__kind__, value]))


def test_a_whole_number_does_for_a_float():
    taken = decode(msgpack.packb([ONE_FIELD[float].__kind__, 3])).value
    assert (taken, type(taken)) == (3.0, float)


@pytest.mark.parametrize("form", UNKNOWN_FORMS, ids=repr)
def test_a_message_with_any_other_annotation_is_our_own_mistake(form, monkeypatch):
    monkeypatch.setattr(wire, "_kinds", {})  # nobody else shall ever receive it
    with pytest.raises(TypeError):
        decode(msgpack.packb([one_field(form).__kind__, 1]))


def test_a_kind_is_given_once():
    with pytest.raises(ValueError, match="kind 96 is Everything already"):
        message(96)(Peer)


@given(MESSAGES)
def test_whatever_is_sent_arrives(sent):
    assert decode(encode(sent)) == sent
    assert decode(memoryview(encode(sent))) == sent


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_raise_wire_error(name):
    with pytest.raises(WireError) as raised:
        decode(HOSTILE[name])
    text = str(raised.value)
    assert text.isprintable()
    assert len(text) < 200
    assert not text.endswith(": ")


@given(MESSAGES, st.data())
def test_a_message_mutated_anywhere_is_taken_or_raises_wire_error(sent, data):
    hostile = bytearray(encode(sent))
    for _ in range(data.draw(st.integers(1, 4))):
        hostile[data.draw(st.integers(0, len(hostile) - 1))] = data.draw(st.integers(0, 255))
    del hostile[data.draw(st.integers(1, len(hostile))) :]
    try:
        decode(bytes(hostile))
    except WireError:
        return


@given(st.lists(VALUES, max_size=16))
def test_any_array_is_a_message_or_raises_wire_error(fields):
    try:
        taken = decode(msgpack.packb([96, *fields]))
    except WireError as error:
        assert str(error).isprintable()
    else:
        assert decode(encode(taken)) == taken


def test_a_decoder_deep_in_the_stack_still_raises_wire_error():
    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            decode(HOSTILE["arrays as deep as msgpack takes them"])

    with pytest.raises(WireError):
        descend(600)


def test_a_limit_of_its_own_may_be_smaller():
    with pytest.raises(WireError, match="expected no more than 10"):
        decode(encode(SAMPLE), limit=10)


def test_an_error_names_the_field_and_does_not_repeat_what_a_stranger_wrote():
    bad = msgpack.packb([ONE_FIELD[dict[str, int]].__kind__, {"a\x1b[2J\n": "x" * 4000}])
    with pytest.raises(WireError) as raised:
        decode(bad)
    assert str(raised.value) == r"OneField.value['a\x1b[2J\n'] is 'xxxxxxxxxxxx...xxxxxxxxxxxxx', expected int"


def test_a_newer_node_understands_an_older_one():
    array = msgpack.unpackb(encode(Old(5, ("a",))))
    assert decode(msgpack.packb([Young.__kind__, *array[1:]])) == Young(5, Peer("a", 7400), 0.5, ())


def test_an_older_node_ignores_what_a_newer_one_appended():
    array = msgpack.unpackb(encode(Young(5, Peer("a"), 9.5, ("b",))))
    array[2].append("a field that peers will have")
    assert decode(msgpack.packb([Young.__kind__, *array[1:], [1, 2, 3], None])) == Young(5, Peer("a"), 9.5, ("b",))
