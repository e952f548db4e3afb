"""From what clients send as app, tcUrl and stream name to the stream they mean, and from an URL to what we send.

Clients cut `rtmp://HOST/a/b/c/d.mp4?token=x` differently: ffmpeg into `a/b` and `mp4:c/d.mp4?token=x`, librtmp into
`a/b/c` and `mp4:d?token=x`, GStreamer into `a/b/c` and `d.mp4?token=x`; OBS has a field for each, in which users put
slashes and parameters as they like; and only librtmp resolves %20. So the path is put together again, its last segment
is the name, a type before or after that is not part of it, and parameters are collected from wherever they are.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from mesh.errors import RTMPError

PORT = 1935
MAX_LENGTH = 255
"""Characters of APP/NAME."""

_TYPE = re.compile(r"^(flv|mp4|f4v|mp3):|\.(flv|mp4|f4v|mp3)$")


class Target(NamedTuple):
    """The stream that a client means."""

    app: str
    name: str
    query: dict[str, str]


class URL(NamedTuple):
    """An rtmp:// URL, as a client needs it."""

    host: str
    port: int
    app: str
    name: str
    """With the query, where every server looks for it."""
    tc_url: str


def resolve(app: str, tc_url: str, name: str) -> Target:
    """The stream behind the app and tcUrl of a connect and the name of a publish or play."""
    app, _, app_query = app.partition("?")
    name, _, name_query = name.partition("?")
    path = unquote(f"{app}/{_TYPE.sub('', name)}")
    segments = [segment for segment in path.split("/") if segment]
    if len(segments) < 2 or not path.isprintable() or len(path) > MAX_LENGTH or {".", ".."} & set(segments):
        raise RTMPError(f"stream {path[:MAX_LENGTH]!r}, expected APP/NAME of up to {MAX_LENGTH} printable characters")
    queries = tc_url.partition("?")[2], app_query, name_query
    query = {key: value for part in queries for key, value in parse_qsl(part, keep_blank_values=True)}
    return Target("/".join(segments[:-1]), segments[-1], query)


def host_of(tc_url: str) -> str:
    """The host in what a client sends as tcUrl; "" if there is none."""
    try:
        return urlsplit(tc_url).hostname or ""
    except ValueError:
        return ""


def parse(url: str) -> URL:
    """The parts of an rtmp:// URL. Raises `ValueError` for anything else."""
    parts = urlsplit(url)
    app, _, name = parts.path.strip("/").rpartition("/")
    if parts.scheme != "rtmp" or not parts.hostname or not app or not name:
        raise ValueError(f"{url!r} is not of the form rtmp://HOST[:PORT]/APP/NAME")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or PORT
    name = f"{name}?{parts.query}" if parts.query else name
    return URL(parts.hostname, port, app, name, f"rtmp://{host}:{port}/{app}")
