"""The API's client: one request, and its body or one clear error."""

import http.client
import json
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

import click

TIMEOUT_S = 5.0

# Nodes are asked directly: the proxy that a shell has for the internet knows no way to them.
_opener = build_opener(ProxyHandler({}))


class ApiError(click.ClickException):
    """A node that cannot be reached, or refused; ends the command with exit code 1."""


class Client:
    """The API of one node, which answers for its whole mesh."""

    def __init__(self, url: str) -> None:
        """`url` is that of the node, like "http://127.0.0.1:8080"."""
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")

    def get(self, path: str, **query: str) -> str:
        """The body at this path of the API. Raises `ApiError`."""
        return self._ask("GET", path, query)

    def post(self, path: str, **query: str) -> str:
        """Have something done, and give the answer. Raises `ApiError`."""
        return self._ask("POST", path, query)

    def _ask(self, method: str, path: str, query: dict[str, str]) -> str:
        question = f"?{urlencode(query)}" if query else ""
        try:
            request = Request(f"{self.url}/api/v1/{quote(path)}{question}", method=method)
            with _opener.open(request, timeout=TIMEOUT_S) as response:
                return str(response.read().decode())
        except HTTPError as error:
            raise ApiError(_problem(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error.reason if isinstance(error, URLError) else error
            words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            raise ApiError(f"{self.url} cannot be reached: {words.lower()}") from None


def _problem(error: HTTPError) -> str:
    """What the node said, or else its status."""
    try:
        return str(json.loads(error.read())["error"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return f"{error.url} answers {error.code} {error.reason}"
