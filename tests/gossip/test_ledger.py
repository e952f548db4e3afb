from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import StreamError, WireError
from mesh.gossip import ledger
from mesh.gossip.ledger import MAX_BYTES, MAX_ENTRIES, MAX_KEY, MAX_VALUE, RING, Copy, Ledger, snapshot
from mesh.gossip.message import Delta, Snap
from mesh.media.wire import MAX_MESSAGE, encode

BOOT = "b" * 16

WRITES = st.lists(st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.binary(max_size=3))), max_size=40)


def write(origin: Ledger, key: str, value: bytes | None) -> bool:
    return origin.delete(key) if value is None else origin.put(key, value)


def snaps(origin: Ledger) -> list[Snap]:
    return snapshot("origin", BOOT, origin.version, origin.entries)


def test_each_change_gets_the_next_version_and_none_what_is_said_already():
    origin = Ledger()
    assert [origin.put("a", b"1"), origin.put("a", b"1"), origin.put("a", b"2"), origin.delete("a")] == [
        True, False, True, True,
    ]  # fmt: skip
    assert (origin.delete("a"), origin.version, origin.entries) == (False, 3, {})


def test_a_delta_tells_the_last_change_of_each_key():
    origin = Ledger()
    for key, value in [("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", None)]:
        write(origin, key, value)
    assert origin.since(0) == [("a", 3, b"2"), ("b", 4, None)]
    assert origin.deltas(3) == [Delta(3, 4, (("b", 4, None),))]
    assert origin.deltas(4) == [Delta(4, 4, ())]


def test_who_is_behind_the_ring_or_ahead_of_us_gets_no_delta():
    origin = Ledger()
    for number in range(RING + 10):
        origin.put("a", b"%d" % number)
    assert origin.since(9) is None and origin.deltas(9) is None
    assert origin.since(10) == [("a", RING + 10, b"%d" % (RING + 9))]
    assert origin.since(RING + 11) is None


def test_what_does_not_fit_a_message_goes_in_several():
    origin = Ledger()
    for number in range(25):
        origin.put(f"{number}", bytes(MAX_VALUE))
    parts = [origin.deltas(0), snaps(origin)]
    for messages in parts:
        assert len(messages) > 2 and all(len(encode(message)) <= MAX_MESSAGE for message in messages)
    copy = Copy(BOOT)
    for delta in parts[0]:
        assert copy.apply(delta)
    assert (copy.version, copy.entries) == (25, origin.entries)


@pytest.mark.parametrize(
    ("key", "value"), [("k" * (MAX_KEY + 1), b""), ("ü" * (MAX_KEY // 2 + 1), b""), ("k", bytes(MAX_VALUE + 1))]
)
def test_an_entry_has_its_size(key, value):
    origin, copy = Ledger(), Copy(BOOT)
    with pytest.raises(StreamError):
        origin.put(key, value)
    with pytest.raises(WireError):
        copy.apply(Delta(0, 1, ((key, 1, value),)))
    with pytest.raises(WireError):
        copy.assemble(Snap("origin", BOOT, 1, 0, 1, ((key, 1, value),)))
    assert (origin.version, copy.version, copy.entries) == (0, 0, {})


def test_a_ledger_and_a_copy_have_their_size():
    origin, copy = Ledger(), Copy(BOOT)
    with pytest.raises(StreamError):
        for number in range(100):
            origin.put(f"{number}", bytes(MAX_VALUE))
    assert 20 < len(origin.entries) < MAX_BYTES // MAX_VALUE
    with pytest.raises(WireError, match="expected no more than"):
        for number in range(100):
            copy.apply(Delta(number, number + 1, ((f"{number}", number + 1, bytes(MAX_VALUE)),)))
    assert copy.entries.keys() == origin.entries.keys()


def test_a_copy_has_no_more_entries_than_its_origin_may():
    copy = Copy(BOOT)
    with pytest.raises(WireError, match=f"{MAX_ENTRIES + 1} entries"):
        copy.apply(Delta(0, 9000, tuple([(f"{number}", number + 1, b"") for number in range(MAX_ENTRIES + 1)])))
    with pytest.raises(WireError, match="part"):
        copy.assemble(Snap("origin", BOOT, 1, 0, 5000, ()))


def test_a_full_ledger_takes_changes_and_deletions():
    origin = Ledger()
    while True:
        try:
            origin.put(f"{len(origin.entries)}", bytes(MAX_VALUE))
        except StreamError:
            break
    assert origin.put("0", b"smaller") and origin.delete("1") and origin.put("one more", bytes(MAX_VALUE))


def test_a_gap_is_noticed_and_changes_nothing():
    copy = Copy(BOOT)
    assert copy.apply(Delta(3, 4, (("a", 4, b""),))) is None
    assert (copy.version, copy.entries) == (0, {})


def test_a_delta_with_a_change_beyond_itself_is_an_error():
    with pytest.raises(WireError, match="beyond"):
        Copy(BOOT).apply(Delta(0, 1, (("a", 2, b""),)))


def test_a_snapshot_replaces_and_says_what_it_changed():
    copy = Copy(BOOT)
    copy.apply(Delta(0, 3, (("gone", 1, b"1"), ("kept", 2, b"2"), ("new", 3, b"3"))))
    changes = copy.assemble(Snap("origin", BOOT, 9, 0, 1, (("kept", 2, b"2"), ("new", 9, b"4"))))
    assert changes == [("gone", 9, None), ("new", 9, b"4")]
    assert copy.assemble(Snap("origin", BOOT, 8, 0, 1, ())) is None
    assert copy.entries == {"kept": (2, b"2"), "new": (9, b"4")}


def test_the_parts_of_a_snapshot_together_are_no_more_than_a_ledger():
    copy, value = Copy(BOOT), bytes(MAX_VALUE)
    with pytest.raises(WireError, match=f"expected no more than {MAX_ENTRIES} of {MAX_BYTES}"):
        for part in range(64):
            copy.assemble(Snap("origin", BOOT, 9, part, 64, (("same", 1, value),)))
    assert copy._parts == {} and copy.version == 0
    changes = copy.assemble(Snap("origin", BOOT, 9, 0, 1, (("a", 1, b"1"),)))
    assert changes == [("a", 1, b"1")] and copy._bytes < 100


def test_parts_of_two_snapshots_are_not_mixed():
    copy = Copy(BOOT)
    assert copy.assemble(Snap("origin", BOOT, 5, 0, 2, (("a", 1, b"5"),))) is None
    assert copy.assemble(Snap("origin", BOOT, 6, 1, 2, (("b", 6, b"6"),))) is None
    assert copy.version == 0
    assert copy.assemble(Snap("origin", BOOT, 6, 0, 2, (("a", 5, b"6"),))) is not None
    assert copy.entries == {"a": (5, b"6"), "b": (6, b"6")}


@given(WRITES, st.randoms(use_true_random=False))
def test_copies_become_equal_however_deltas_are_lost_repeated_and_late(writes: list, random: Random):
    """P10: merging is commutative, associative and idempotent; and a version never goes back."""
    origin, copy = Ledger(), Copy(BOOT)
    network: list[Delta | Snap] = []
    for key, value in writes:
        since = random.randint(0, origin.version)
        write(origin, key, value)
        network += origin.deltas(since) or []
        network += snaps(origin) if random.random() < 0.2 else []
        for message in random.sample(network, random.randint(0, min(3, len(network)))):
            before = copy.version
            _ = copy.apply(message) if isinstance(message, Delta) else copy.assemble(message)
            assert copy.version >= before
            assert all(version <= copy.version for version, _ in copy.entries.values())
    for delta in origin.deltas(copy.version) or []:
        copy.apply(delta)
    assert (copy.version, copy.entries) == (origin.version, origin.entries)


@given(WRITES, st.integers(0, 40))
def test_a_delta_and_a_snapshot_say_the_same(writes: list, middle: int):
    origin, one, other = Ledger(), Copy(BOOT), Copy(BOOT)
    for key, value in writes[:middle]:
        write(origin, key, value)
    for copy in (one, other):
        for delta in origin.deltas(0) or []:
            copy.apply(delta)
    for key, value in writes[middle:]:
        write(origin, key, value)
    for delta in origin.deltas(one.version) or []:
        one.apply(delta)
    for snap in snaps(origin):
        other.assemble(snap)
    assert one.entries == other.entries == origin.entries


def test_a_hostile_delta_leaves_what_was_there(monkeypatch):
    monkeypatch.setattr(ledger, "MAX_ENTRIES", 2)
    copy = Copy(BOOT)
    copy.apply(Delta(0, 1, (("a", 1, b"1"),)))
    with pytest.raises(WireError):
        copy.apply(Delta(1, 4, (("a", 2, None), ("b", 3, b""), ("c", 4, b""), ("d", 4, b""))))
    assert (copy.version, copy.entries) == (1, {"a": (1, b"1")})
