"""Requests: what a client's URL asks for, whatever protocol it came by."""

import re
from collections.abc import Mapping

from mesh.balance.policy import Action, Request
from mesh.config.rule import WORD
from mesh.control.url import FORMS
from mesh.errors import StreamError
from mesh.net.addresses import is_ip
from mesh.stream.catalog import checked_key

MAX_WAIT_S = 60.0
COOKIE = "mesh_sid"
"""The cookie that stands for `sid` where the query has none."""
WORDS = {
    "zone": (WORD, "a word of up to 63 letters, digits and . _ -"),
    "sid": (r"[!-~]{1,64}", "up to 64 ASCII characters without spaces"),
    "redirect": (r"[01]", "0 or 1"),
    "explain": (r"[01]", "0 or 1"),
}
"""What a query may hold, and how to say so. An empty value is as good as none."""


def ask(key: str, action: Action, proto: str, query: Mapping[str, str], zone: str = "") -> Request:
    """What a client asks of the balancer, in the words of its URL; `zone` is where it is, if the URL does not say.

    Raises `StreamError` if the query makes no sense.
    """
    said = {name: _word(name, query) for name in WORDS}
    return Request(
        key,
        action,
        proto,
        zone=said["zone"] or zone,
        via=query.get("via", ""),
        redirect=said["redirect"] != "0",
        sid=said["sid"],
        explain=said["explain"] == "1",
    )


def asked_of(query: Mapping[str, str]) -> tuple[str, Action, str]:
    """The stream, the action and the protocol of a client on whose behalf somebody asks. Raises `StreamError`."""
    key, action, proto = query.get("stream", ""), query.get("action", "play"), query.get("proto", "flv")
    if not key:
        raise StreamError("stream is missing, expected stream=APP/NAME")
    if action not in list(Action):
        raise StreamError(f"action={action}, expected play or publish")
    if proto not in FORMS:
        raise StreamError(f"proto={proto}, expected {' or '.join(FORMS)}")
    if (ip := query.get("ip", "")) and not is_ip(ip):
        raise StreamError(f"ip={ip}, expected an IPv4 or IPv6 address")
    app, _, name = key.partition("/")
    return checked_key(app, name), Action(action), proto


def wait_s(query: Mapping[str, str]) -> float:
    """How long a player's URL says to wait for a stream that nobody has. Raises `StreamError` if that is no number."""
    text = query.get("wait", "0")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or float(text) > MAX_WAIT_S:
        raise StreamError(f"wait={text[:20]}, expected seconds from 0 to {MAX_WAIT_S:g}")
    return float(text)


def _word(name: str, query: Mapping[str, str]) -> str:
    pattern, expected = WORDS[name]
    text = query.get(name, "")
    if text and not re.fullmatch(pattern, text):
        raise StreamError(f"{name}={text[:20]}, expected {expected}")
    return text
