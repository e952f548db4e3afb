"""HTTP's terms: what a request says, and what it is told when a stream cannot be had."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from mesh.errors import NoRoom, NotAllowed, StreamError, StreamNotFound, StreamTaken
from mesh.net.request import COOKIE
from mesh.stream.catalog import checked_key

CORS = {"Access-Control-Allow-Origin": "*"}
STATUS = {StreamNotFound: 404, StreamTaken: 409, NoRoom: 503, NotAllowed: 403}


@contextmanager
def refusals() -> Iterator[None]:
    """Answer in HTTP's terms when a stream cannot be had."""
    try:
        yield
    except StreamError as error:
        raise failure(STATUS.get(type(error), 400), str(error)) from None


def failure(status: int, reason: str) -> web.HTTPException:
    """An error response that says why, as JSON."""
    headers = CORS | ({hdrs.RETRY_AFTER: "1"} if status == 503 else {})
    body = json.dumps({"error": reason}) + "\n"
    error = FAILURES[status](headers=headers, text=body, content_type="application/json")
    if status == 503:
        error.force_close()  # what keeps a connection takes room
    return error


FAILURES = {
    400: web.HTTPBadRequest,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    409: web.HTTPConflict,
    411: web.HTTPLengthRequired,
    415: web.HTTPUnsupportedMediaType,
    503: web.HTTPServiceUnavailable,
    504: web.HTTPGatewayTimeout,
}


def stream_key(path: str) -> str:
    """The stream that APP/NAME names; anything else is refused."""
    app, _, name = path.partition("/")
    with refusals():
        return checked_key(app, name)


def query_of(request: web.Request) -> dict[str, str]:
    """What the client's URL says, and the session of its cookie, unless the URL names another."""
    return {"sid": request.cookies.get(COOKIE, ""), **request.query}


def asked_host(request: web.Request) -> str:
    """The host by which the client found this node; empty if it does not say."""
    try:
        return urlsplit(f"//{request.headers.get(hdrs.HOST, '')}").hostname or ""
    except ValueError:
        return ""
