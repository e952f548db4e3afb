"""Tracks: what a stream carries, in words for people."""

from collections.abc import Iterable

from mesh.errors import MediaError
from mesh.media import amf0, codec
from mesh.media.frame import Frame, Kind

MAX_METADATA = 8192
"""Bytes of metadata that are read: it may come with every few frames, and a megabyte of it takes over a second."""


def describe(headers: Iterable[Frame]) -> tuple[str, str]:
    """Video and audio ("h264 1280x720", "aac 48000x2") by the headers in force; "" for what there is none of."""
    words = {Kind.VIDEO: "", Kind.AUDIO: ""}
    size = ""
    for header in headers:
        if header.kind == Kind.META:
            size = _size(header.payload)
        elif not words[Kind(header.kind)]:
            words[Kind(header.kind)] = codec.describe(header.kind, header.payload)
    video = f"{words[Kind.VIDEO]} {size}".strip() if words[Kind.VIDEO] else ""
    return video, words[Kind.AUDIO]


def _size(metadata: bytes) -> str:
    """Width and height as `onMetaData` gives them; publishers get it wrong in every way, and nothing depends on it."""
    try:
        values = amf0.decode(metadata, MAX_METADATA)
    except MediaError:
        return ""
    fields = next((value for value in values if isinstance(value, dict)), {})
    width, height = fields.get("width"), fields.get("height")
    sized = isinstance(width, float) and isinstance(height, float) and 0 < width < 1 << 16 and 0 < height < 1 << 16
    return f"{width:.0f}x{height:.0f}" if sized else ""
