import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import CacheConfig
from mesh.errors import StreamError
from mesh.stream.catalog import MAX_KEY, Catalog, checked_key
from tests.stream.frames import begun, extend

GOOD = [("live", "a"), ("live", "a/b/c"), ("app-1", "Stream_2.main~x"), ("...a", ".b"), ("a", "b" * (MAX_KEY - 2))]
BAD = [
    ("", ""),
    ("", "a"),
    ("live", ""),
    ("live", "a/"),
    ("live", "/a"),
    ("live", "a//b"),
    ("live", ".."),
    ("live", "../../etc/passwd"),
    ("live", "a/./b"),
    (".", "a"),
    ("live", "..."),
    ("live", "a b"),
    ("live", "a\n"),
    ("live", "a\0"),
    ("live", "a?token=x"),
    ("live", "a%2fb"),
    ("live", "a\\b"),
    ("live", 'a"b'),
    ("live", "ströme"),
    ("live", "a\u2028"),
    ("a", "b" * (MAX_KEY - 1)),
]


@pytest.mark.parametrize(("app", "name"), GOOD)
def test_a_key_is_app_and_name(app, name):
    assert checked_key(app, name) == f"{app}/{name}"


@pytest.mark.parametrize(("app", "name"), BAD)
def test_a_key_that_not_all_can_carry_is_refused(app, name):
    with pytest.raises(StreamError, match="expected APP/NAME of letters"):
        checked_key(app, name)


@pytest.mark.parametrize("app", ["api", "static", "watch"])
def test_no_stream_is_where_a_page_is(app):
    with pytest.raises(StreamError, match=f"expected another APP than {app}"):
        checked_key(app, "x")
    assert checked_key("live", app) == f"live/{app}"


@given(st.text(max_size=20), st.text(max_size=300))
def test_whatever_is_asked_for_is_a_key_or_raises_stream_error(app, name):
    try:
        key = checked_key(app, name)
    except StreamError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 4 * MAX_KEY + 200
        return
    assert key.isascii()
    assert len(key) <= MAX_KEY
    assert not {"", ".", ".."} & set(key.split("/"))


def catalog() -> Catalog:
    return Catalog(CacheConfig(seconds=2, bytes=100_000, total=150_000))


def test_a_log_is_opened_once():
    logs = catalog()
    log = logs.open("live/a")
    assert logs.open("live/a") is logs.get("live/a") is log
    assert logs.get("live/b") is None
    assert (log.key, list(logs)) == ("live/a", [log])


def test_logs_have_the_bounds_of_the_configuration():
    logs = catalog()
    one, two, three = [begun(logs.open(key)) for key in ("live/a", "live/b", "live/c")]
    extend(one, 10, size=100)
    assert 2000 <= one.last_dts[9] - one.read(one.tail, 1).frames[0].dts < 2000 + 2 * 1000 + 40
    for log in one, two, three:
        extend(log, 20, size=9000)
        assert log.size <= 100_000
        assert logs.budget.used == sum(log.size for log in logs) <= 150_000


def test_a_log_that_is_dropped_makes_room():
    logs = catalog()
    log = begun(logs.open("live/a"))
    extend(log, 1)
    logs.drop("live/a")
    assert (logs.get("live/a"), list(logs), logs.budget.used) == (None, [], 0)
    assert logs.open("live/a") is not log


def test_logs_may_be_dropped_while_they_are_walked_over():
    logs = catalog()
    for key in ("live/a", "live/b", "live/c"):
        logs.open(key)
    for log in logs:
        logs.drop(log.key)
    assert list(logs) == []
