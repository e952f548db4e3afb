import pytest

from mesh.config import load
from mesh.config.pattern import Care, care_for
from mesh.errors import ConfigError


def patterns(table):
    config, _ = load(None, [f"stream.patterns={table}"], {})
    return config.stream.patterns


def test_the_first_pattern_that_matches_counts():
    read = patterns('{"live/main" = {replicas = 2, priority = 9}, "live/*" = {preload = ["fra", "*"]}}')
    assert care_for("live/main", read) == Care(2, (), 9)
    assert care_for("live/a/b", read) == Care(0, ("fra", "*"), 0)
    assert care_for("vod/x", read) == Care()


@pytest.mark.parametrize(
    "care",
    [
        "{replicas = -1}",
        "{replicas = 65}",
        "{replicas = 1.0}",
        "{replicas = true}",
        "{preload = 7}",
        "{preload = [7]}",
        '{preload = "fra"}',
        '{preload = ["a b"]}',
        "{priority = 101}",
        '{priority = "high"}',
        "{keep = 1}",
        "7",
        "[]",
    ],
)
def test_what_is_no_care_is_refused(care):
    with pytest.raises(ConfigError, match=r'stream.patterns."live/\*" is .*, expected a pattern of stream keys'):
        patterns(f'{{"live/*" = {care}}}')
