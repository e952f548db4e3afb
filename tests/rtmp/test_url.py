import pytest

from mesh.errors import RTMPError
from mesh.rtmp import url
from mesh.rtmp.url import URL, Target

HOST = "rtmp://127.0.0.1:1935/"

# App, tcUrl and name as ffmpeg 5.1, librtmp 2.4 (rtmpdump), GStreamer 1.22 (rtmp2) and OBS send them.
SENT = [
    ("ffmpeg", "live", HOST + "live", "cam?token=x&y=%2F", Target("live", "cam", {"token": "x", "y": "/"})),
    ("librtmp", "live", HOST + "live", "cam?token=x&y=/", Target("live", "cam", {"token": "x", "y": "/"})),
    ("ffmpeg", "a/b", HOST + "a/b", "c/cam", Target("a/b/c", "cam", {})),
    ("librtmp", "a/b/c", HOST + "a/b/c", "cam", Target("a/b/c", "cam", {})),
    ("all", "live?token=x", HOST + "live?token=x", "cam", Target("live", "cam", {"token": "x"})),
    ("ffmpeg", "live", HOST + "live", "mp4:cam.mp4", Target("live", "cam", {})),
    ("librtmp", "live", HOST + "live", "mp4:cam", Target("live", "cam", {})),
    ("GStreamer", "live", HOST + "live", "cam.mp4", Target("live", "cam", {})),
    ("GStreamer", "live", HOST + "live", "cam.flv", Target("live", "cam", {})),
    ("ffmpeg", "live/", HOST + "live/", "cam", Target("live", "cam", {})),
    ("ffmpeg", "live/cam", HOST + "live/cam", "", Target("live", "cam", {})),
    ("ffmpeg", "live", HOST + "live", "caf%C3%A9%20b", Target("live", "café b", {})),
    ("librtmp", "live", HOST + "live", "café b", Target("live", "café b", {})),
    ("OBS", "live", HOST + "live", "/cam?token=a%2Bb", Target("live", "cam", {"token": "a+b"})),
    ("OBS", "live/x/", HOST + "live/x/", "y/cam", Target("live/x/y", "cam", {})),
    ("an old one", "live", HOST + "live?token=x", "cam", Target("live", "cam", {"token": "x"})),
    (
        "name first",
        "live?k=app",
        HOST + "live?k=url",
        "cam?k=name&empty=",
        Target("live", "cam", {"k": "name", "empty": ""}),
    ),
]
NAMELESS = [
    ("", "cam"),
    ("live", ""),
    ("/", "/"),
    ("live", "?token=x"),
    ("live", ".."),
    ("live/.", "x"),
    ("live", "a\nb"),
]


@pytest.mark.parametrize(("app", "tc_url", "name", "target"), [case[1:] for case in SENT])
def test_every_client_means_the_same_stream(app: str, tc_url: str, name: str, target: Target) -> None:
    assert url.resolve(app, tc_url, name) == target


@pytest.mark.parametrize(("app", "name"), [*NAMELESS, ("live", "x" * 300)])
def test_a_stream_has_an_app_and_a_name(app: str, name: str) -> None:
    with pytest.raises(RTMPError, match="expected APP/NAME of up to 255 printable characters"):
        url.resolve(app, HOST, name)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("rtmp://h/live/cam", URL("h", 1935, "live", "cam", "rtmp://h:1935/live")),
        ("rtmp://h:1936/a/b/cam?token=x", URL("h", 1936, "a/b", "cam?token=x", "rtmp://h:1936/a/b")),
        ("rtmp://[::1]/live/cam", URL("::1", 1935, "live", "cam", "rtmp://[::1]:1935/live")),
    ],
)
def test_an_address_is_cut_into_what_a_client_needs(address: str, parts: URL) -> None:
    assert url.parse(address) == parts
    assert url.resolve(parts.app, parts.tc_url, parts.name).app == parts.app


@pytest.mark.parametrize("address", ["http://h/live/cam", "rtmp:///live/cam", "rtmp://h/cam", "rtmp://h", "cam", ""])
def test_an_address_that_names_no_stream_is_our_own_mistake(address: str) -> None:
    with pytest.raises(ValueError, match="is not of the form rtmp://HOST"):
        url.parse(address)
