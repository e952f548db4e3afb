from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import MediaError
from mesh.media import amf0
from mesh.media.amf0 import UNDEFINED, Date, EcmaArray, TypedObject

CASES = [
    ("number", 5.5, "004016000000000000"),
    ("true", True, "0101"),
    ("false", False, "0100"),
    ("string", "live", "0200046c697665"),
    ("string that is not ASCII", "é", "020002c3a9"),
    ("long string", "x" * 65536, "0c00010000" + "78" * 65536),
    ("object", {"a": 1.0, "b": None}, "03000161003ff000000000000000016205000009"),
    ("object with an empty key", {"": True}, "0300000101000009"),
    ("empty object", {}, "03000009"),
    ("null", None, "05"),
    ("undefined", UNDEFINED, "06"),
    ("ECMA array", EcmaArray({"w": False}), "08000000010001770100000009"),
    ("strict array", ["a", [None]], "0a00000002020001610a0000000105"),
    ("date", Date(1.5, -60), "0b3ff8000000000000ffc4"),
    ("typed object", TypedObject("P", {"x": True}), "100001500001780101000009"),
]
REFUSED = ["04", "070000", "0d", "0e", "0f00000000", "1101", "12", "ff"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.just(UNDEFINED)
    | st.builds(Date, st.floats(allow_nan=False), st.integers(-720, 720)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4).map(EcmaArray)
        | st.builds(TypedObject, st.text(max_size=5), st.dictionaries(st.text(max_size=5), inner, max_size=4))
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(("value", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_bytes_become_the_value_and_the_value_those_bytes(value: amf0.Value, data: str) -> None:
    (decoded,) = amf0.decode(bytes.fromhex(data))
    assert decoded == value
    assert type(decoded) is type(value)
    assert amf0.encode(value) == bytes.fromhex(data)


def test_values_follow_one_another() -> None:
    assert amf0.decode(amf0.encode("connect", 1, None)) == ["connect", 1.0, None]
    assert amf0.decode(b"") == []


def test_a_typed_object_keeps_its_name() -> None:
    (value,) = amf0.decode(amf0.encode(TypedObject("Point", {"x": 1.0})))
    assert value.name == "Point"


def test_the_count_of_an_ecma_array_is_only_a_hint() -> None:
    assert amf0.decode(bytes.fromhex("08000000630001770100000009")) == [{"w": False}]


def test_bytes_that_are_not_utf_8_do_not_cost_the_string() -> None:
    assert amf0.decode(b"\x02\x00\x03a\xffb") == ["a\ufffdb"]


def test_a_reader_takes_what_it_is_asked_for_and_no_more() -> None:
    reader = amf0.Reader(amf0.encode("onMetaData") + b"\xff")
    assert reader.value() == "onMetaData"
    assert reader.at == 13


@given(VALUES)
def test_whatever_was_encoded_is_decoded_again(value: amf0.Value) -> None:
    assert amf0.decode(amf0.encode(value)) == [value]


@pytest.mark.parametrize("data", REFUSED)
def test_what_nobody_sends_is_refused_by_its_name(data: str) -> None:
    with pytest.raises(MediaError, match=f"0x{data[:2]} at byte 0 is not supported"):
        amf0.decode(bytes.fromhex(data))


@pytest.mark.parametrize("data", [case[2] for case in CASES if len(case[2]) < 100])
def test_a_value_that_is_cut_short_is_an_error(data: str) -> None:
    whole = bytes.fromhex(data)
    for end in range(1, len(whole)):
        with pytest.raises(MediaError, match="AMF0"):
            amf0.decode(whole[:end])


def test_nesting_has_an_end() -> None:
    def nested(depth: int) -> bytes:
        return b"\x0a\x00\x00\x00\x01" * depth + b"\x05"

    amf0.decode(nested(amf0.MAX_DEPTH))
    for hostile in (nested(amf0.MAX_DEPTH + 1), nested(100_000), b"\x03\x00\x01a" * 100_000):
        with pytest.raises(MediaError, match="nested more than 16 deep"):
            amf0.decode(hostile)


def test_an_array_cannot_promise_more_than_it_has() -> None:
    with pytest.raises(MediaError, match="array of 4294967295 values in the 1 bytes that are left"):
        amf0.decode(b"\x0a\xff\xff\xff\xff\x05")


def test_too_much_is_not_even_looked_at() -> None:
    assert amf0.decode(b"\x05" * 10, limit=10) == [None] * 10
    with pytest.raises(MediaError, match="AMF0 of 11 bytes, expected no more than 10"):
        amf0.decode(b"\x05" * 11, limit=10)


def test_a_value_without_a_form_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="bytes has no form in AMF0"):
        amf0.encode(b"raw")


def test_hostile_bytes_only_raise_media_errors() -> None:
    random = Random(1)
    whole = [bytearray.fromhex(case[2]) for case in CASES if len(case[2]) < 100]
    for _ in range(20_000):
        data = bytearray(b"".join(random.sample(whole, 3)))
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            amf0.decode(bytes(data))
        except MediaError as error:
            assert "AMF0" in str(error)
