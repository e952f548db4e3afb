"""The test card: a moving picture with a clock, and a beep with a flash each second.

Made with PyAV, encoded and muxed to memory only: what comes out are FLV tags, for whoever publishes them.
"""

from collections.abc import Iterator
from itertools import count
from typing import cast

import av
from av.filter import Graph
from av.video.frame import PictureType

from mesh.media import flv

X264 = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "scenecut=0:threads=1"}
ENLARGED = 4
"""Drawn small and enlarged, the clock is big enough to be read across a room."""
SAMPLE_RATE = 48000
SAMPLES = 1024
"""Samples in an AAC frame."""
BEEP = "0.25*sin(2*PI*880*t)*lt(mod(t,1),0.1)"


def tags(width: int = 1280, height: int = 720, rate: int = 25, kbps: int = 1500) -> Iterator[flv.Tag]:
    """An endless stream of H.264 and AAC with a keyframe each second, made as fast as it is asked for."""
    output, reader = _Memory(), flv.Reader()
    with av.open(output, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as container:
        video = container.add_stream("libx264", rate, X264, width=width, height=height, pix_fmt="yuv420p")
        video.bit_rate, video.gop_size = kbps * 1000, rate
        audio = container.add_stream("aac", SAMPLE_RATE, bit_rate=96000, layout="stereo")
        pictures, sounds, heard = _pictures(width, height, rate), _sounds(), 0
        for shown in count():
            picture = pictures.vpull()
            picture.pict_type = PictureType.NONE  # testsrc2 says I of each, and the encoder would believe it
            container.mux(video.encode(picture))
            while heard * rate <= shown * SAMPLE_RATE:
                container.mux(audio.encode(cast(av.AudioFrame, sounds.pull())))
                heard += SAMPLES
            yield from reader.feed(output.take())


def _pictures(width: int, height: int, rate: int) -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add("testsrc2", f"size={width // ENLARGED}x{height // ENLARGED}:rate={rate}"),
        graph.add("drawbox", "x=iw-32:y=16:w=16:h=16:color=white:t=fill:enable='lt(mod(t,1),0.1)'"),
        graph.add("scale", f"{width}:{height}:flags=neighbor"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _sounds() -> Graph:
    graph = Graph()
    graph.link_nodes(
        graph.add("aevalsrc", f"exprs='{BEEP}|{BEEP}':sample_rate={SAMPLE_RATE}:nb_samples={SAMPLES}"),
        graph.add("aformat", "fltp:channel_layouts=stereo"),
        graph.add("abuffersink"),
    ).configure()
    return graph


class _Memory:
    """A file that remembers what was written since the last look."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data
