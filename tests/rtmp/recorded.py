"""What real clients were recorded to send first, and what it amounts to."""

from pathlib import Path

from mesh.media.frame import Kind
from mesh.rtmp.event import Event, MessageReceived, PlayEnded, PlayRequested, PublishRequested

PUBLISH = PublishRequested("live", "cam", {"token": "abc"})
LATE = [
    (Kind.META, 0, 293, "02000a6f6e"),
    (Kind.VIDEO, 0, 50, "1700000000"),
    (Kind.AUDIO, 0, 7, "af00120856"),
    (Kind.VIDEO, 16999920, 562, "1701000050"),
    (Kind.VIDEO, 16999960, 29, "2701000050"),
    (Kind.AUDIO, 16999977, 71, "af01de0200"),
    (Kind.VIDEO, 17000000, 47, "2701000050"),
    (Kind.AUDIO, 17000000, 89, "af0101388c"),
    (Kind.AUDIO, 17000023, 53, "af01013aeb"),
    (Kind.VIDEO, 17000040, 40, "2701000050"),
]

# A request, then type, time, size and first bytes of each message. By ffmpeg 5.1, FFmpeg 8.1, librtmp 2.4 and GStreamer
# 1.22 (rtmp2). The late ones begin 17000 s into a stream, so that their timestamps are extended.
OPENINGS = {
    "ffmpeg-publish": [
        PUBLISH,
        (Kind.META, 0, 293, "02000a6f6e"),
        (Kind.VIDEO, 0, 49, "1700000000"),
        (Kind.AUDIO, 0, 7, "af00120856"),
        (Kind.VIDEO, 0, 47, "1701000050"),
        (Kind.VIDEO, 40, 19, "27010000a0"),
        (Kind.AUDIO, 57, 71, "af01de0200"),
        (Kind.VIDEO, 80, 17, "2701000028"),
        (Kind.AUDIO, 80, 89, "af0101388c"),
        (Kind.AUDIO, 103, 53, "af01013aeb"),
        (Kind.VIDEO, 120, 17, "2701000028"),
    ],
    "ffmpeg8-publish-hevc-opus": [
        PUBLISH,
        (Kind.META, 0, 293, "02000a6f6e"),
        (Kind.VIDEO, 0, 112, "9068766331"),
        (Kind.AUDIO, 0, 24, "904f707573"),
        (Kind.AUDIO, 0, 11, "944f707573"),
        (Kind.VIDEO, 0, 38, "d468766331"),
        (Kind.VIDEO, 0, 31, "9168766331"),
        (Kind.VIDEO, 40, 27, "a168766331"),
        (Kind.AUDIO, 73, 8, "914f707573"),
        (Kind.VIDEO, 80, 23, "a168766331"),
        (Kind.AUDIO, 94, 8, "914f707573"),
    ],
    "ffmpeg-publish-late": [PUBLISH, *LATE],
    "librtmp-publish-late": [PUBLISH, *LATE],
    "gstreamer-publish-late": [PUBLISH, *LATE],
    "ffmpeg-play": [PlayRequested("live", "cam", {"token": "abc"}, -2000)],
    "librtmp-play": [PlayRequested("live", "cam", {"token": "abc"}, -1000), PlayEnded("deleteStream")],
    "gstreamer-play": [PlayRequested("live", "cam", {"token": "abc"}, -2)],
}


def brief(event: Event) -> object:
    """A message by what tells it from others."""
    if isinstance(event, MessageReceived):
        return event.kind, event.timestamp, len(event.payload), event.payload[:5].hex()
    return event


def opening(name: str) -> bytes:
    """What this client sent first."""
    return Path(__file__).with_name("openings").joinpath(f"{name}.bin").read_bytes()
