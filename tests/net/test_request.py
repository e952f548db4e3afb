import pytest

from mesh.balance.policy import Action, Request
from mesh.errors import StreamError
from mesh.net.request import ask, wait_s

CASES = [
    ({}, Request("live/a", Action.PLAY, "flv")),
    ({"zone": "fra"}, Request("live/a", Action.PLAY, "flv", zone="fra")),
    ({"via": "b"}, Request("live/a", Action.PLAY, "flv", via="b")),
    ({"redirect": "0"}, Request("live/a", Action.PLAY, "flv", redirect=False)),
    ({"redirect": "1"}, Request("live/a", Action.PLAY, "flv")),
]


@pytest.mark.parametrize(("query", "request_"), CASES, ids=str)
def test_a_query_becomes_a_request(query: dict[str, str], request_: Request) -> None:
    assert ask("live/a", Action.PLAY, "flv", query) == request_


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("2", 2), ("0.5", 0.5), ("60", 60)])
def test_a_player_may_wait_for_up_to_a_minute(text: str, seconds: float) -> None:
    assert wait_s({"wait": text}) == seconds


def test_who_says_nothing_does_not_wait() -> None:
    assert wait_s({}) == 0


@pytest.mark.parametrize("text", ["", "-1", "61", "soon", "1e3", "nan", "inf", "1.2.3", "٣", "²"])
def test_any_other_wait_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(StreamError, match=r"wait=.*, expected seconds from 0 to 60"):
        wait_s({"wait": text})
