import re

import pytest

from mesh.balance.policy import Action, Request
from mesh.errors import StreamError
from mesh.net.request import ask, asked_of, wait_s

CASES = [
    ({}, Request("live/a", Action.PLAY, "flv")),
    ({"zone": "fra"}, Request("live/a", Action.PLAY, "flv", zone="fra")),
    ({"via": "b"}, Request("live/a", Action.PLAY, "flv", via="b")),
    ({"redirect": "0"}, Request("live/a", Action.PLAY, "flv", redirect=False)),
    ({"redirect": "1"}, Request("live/a", Action.PLAY, "flv")),
    ({"sid": "S-1_~/+="}, Request("live/a", Action.PLAY, "flv", sid="S-1_~/+=")),
    ({"explain": "1"}, Request("live/a", Action.PLAY, "flv", explain=True)),
    (dict.fromkeys(("zone", "via", "redirect", "sid", "explain"), ""), Request("live/a", Action.PLAY, "flv")),
]


@pytest.mark.parametrize(("query", "request_"), CASES, ids=str)
def test_a_query_becomes_a_request(query: dict[str, str], request_: Request) -> None:
    assert ask("live/a", Action.PLAY, "flv", query) == request_


def test_a_client_is_in_the_zone_of_its_address_unless_its_url_names_another() -> None:
    assert ask("live/a", Action.PLAY, "flv", {}, zone="fra").zone == "fra"
    assert ask("live/a", Action.PLAY, "flv", {"zone": "ams"}, zone="fra").zone == "ams"


WRONG = [
    ({"zone": "f r a"}, "zone=f r a, expected a word of up to 63"),
    ({"zone": "x" * 64}, f"zone={'x' * 20}, expected a word"),
    ({"sid": "a b"}, "sid=a b, expected up to 64"),
    ({"sid": "x" * 65}, f"sid={'x' * 20}, expected up to 64"),
    ({"sid": "\n"}, "sid=\n, expected up to 64"),
    ({"redirect": "no"}, "redirect=no, expected 0 or 1"),
    ({"explain": "yes"}, "explain=yes, expected 0 or 1"),
]


@pytest.mark.parametrize(("query", "words"), WRONG, ids=str)
def test_what_makes_no_sense_is_refused_with_what_was_expected(query: dict[str, str], words: str) -> None:
    with pytest.raises(StreamError, match=re.escape(words)):
        ask("live/a", Action.PLAY, "flv", query)


def test_who_asks_for_another_says_for_whom() -> None:
    assert asked_of({"stream": "live/a"}) == ("live/a", Action.PLAY, "flv")
    query = {"stream": "live/a", "action": "publish", "proto": "rtmp", "ip": "2001:db8::1"}
    assert asked_of(query) == ("live/a", Action.PUBLISH, "rtmp")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "stream is missing"),
        ({"stream": "x"}, "stream 'x/', expected APP/NAME"),
        ({"stream": "live/a", "action": "watch"}, "action=watch, expected play or publish"),
        ({"stream": "live/a", "proto": "gopher"}, "proto=gopher, expected flv or rtmp or ws"),
        ({"stream": "live/a", "ip": "10.0.0.256"}, "ip=10.0.0.256, expected an IPv4 or IPv6 address"),
        ({"stream": "live/a", "ip": "b.example"}, "ip=b.example, expected an IPv4 or IPv6 address"),
    ],
    ids=str,
)
def test_and_is_told_what_was_expected(query: dict[str, str], words: str) -> None:
    with pytest.raises(StreamError, match=re.escape(words)):
        asked_of(query)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("2", 2), ("0.5", 0.5), ("60", 60)])
def test_a_player_may_wait_for_up_to_a_minute(text: str, seconds: float) -> None:
    assert wait_s({"wait": text}) == seconds


def test_who_says_nothing_does_not_wait() -> None:
    assert wait_s({}) == 0


@pytest.mark.parametrize("text", ["", "-1", "61", "soon", "1e3", "nan", "inf", "1.2.3", "٣", "²"])
def test_any_other_wait_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(StreamError, match=r"wait=.*, expected seconds from 0 to 60"):
        wait_s({"wait": text})
