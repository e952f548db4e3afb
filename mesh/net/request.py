"""Requests: what a client's URL asks for, whatever protocol it came by."""

import re
from collections.abc import Mapping

from mesh.balance.policy import Action, Request
from mesh.errors import StreamError

MAX_WAIT_S = 60.0


def ask(key: str, action: Action, proto: str, query: Mapping[str, str]) -> Request:
    """What a client asks of the balancer, in the words of its URL."""
    may_redirect = query.get("redirect") != "0"
    return Request(key, action, proto, query.get("zone", ""), query.get("via", ""), may_redirect)


def wait_s(query: Mapping[str, str]) -> float:
    """How long a player's URL says to wait for a stream that nobody has. Raises `StreamError` if that is no number."""
    text = query.get("wait", "0")
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", text) or float(text) > MAX_WAIT_S:
        raise StreamError(f"wait={text[:20]}, expected seconds from 0 to {MAX_WAIT_S:g}")
    return float(text)
