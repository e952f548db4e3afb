"""Clip: a second or two of picture and sound as FLV, made in memory by FFmpeg, the oracle of the media tests."""

import io
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import av

from mesh.media import flv
from mesh.media.frame import Kind

RATE, SAMPLE_RATE = 25, 48000
WIDTH, HEIGHT = 160, 90


class Packet(NamedTuple):
    """What FFmpeg sees in a tag; its own packets must not outlive their container."""

    kind: Kind
    dts: int
    pts: int
    keyframe: bool
    body: bytes


class Coding(NamedTuple):
    """An encoder and its options."""

    codec: str
    options: tuple[tuple[str, str], ...] = ()
    b_frames: int = 0


H264 = Coding("libx264", (("preset", "veryfast"), ("x264-params", "threads=1:scenecut=0")), 2)
HEVC = Coding("libx265", (("preset", "ultrafast"), ("x265-params", "log-level=none:pools=none:scenecut=0")), 2)
VP9 = Coding("libvpx-vp9", (("deadline", "realtime"), ("cpu-used", "8")))
AAC, OPUS, AC3, MP3 = map(Coding, ("aac", "libopus", "ac3", "libmp3lame"))


@cache
def clip(video: Coding | None = H264, audio: Coding | None = AAC, seconds: int = 2, tracks: int = 1) -> bytes:
    """An FLV file with a keyframe each second, every track `tracks` times."""
    output = io.BytesIO()
    with av.open(output, "w", format="flv", options={"flvflags": "no_duration_filesize"}) as container:
        pictures = [_video(container, video) for _ in range(tracks) if video]
        sounds = [_audio(container, audio) for _ in range(tracks) if audio]
        heard = 0
        for number in range(seconds * RATE):
            for stream in pictures:
                container.mux(stream.encode(_picture(number)))
            while sounds and heard * RATE <= number * SAMPLE_RATE:
                samples = sounds[0].codec_context.frame_size or 1024
                for stream in sounds:
                    container.mux(stream.encode(_sound(stream.codec_context.format.name, heard, samples)))
                heard += samples
        for stream in pictures + sounds:
            container.mux(stream.encode(None))
    return output.getvalue()


def tags(data: bytes) -> list[flv.Tag]:
    """The tags of an FLV file."""
    return list(flv.Reader().feed(data))


def packets(data: bytes) -> list[Packet]:
    """What FFmpeg finds in it."""
    with av.open(io.BytesIO(data)) as container:
        return [
            Packet(Kind[packet.stream.type.upper()], packet.dts, packet.pts, packet.is_keyframe, bytes(packet))
            for packet in container.demux()
            if packet.size
        ]


def _video(container: av.container.OutputContainer, coding: Coding) -> av.VideoStream:
    stream = container.add_stream(coding.codec, rate=RATE, options=dict(coding.options))
    stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", RATE
    stream.codec_context.max_b_frames = coding.b_frames
    stream.codec_context.time_base = Fraction(1, RATE)
    return stream


def _audio(container: av.container.OutputContainer, coding: Coding) -> av.AudioStream:
    stream = container.add_stream(coding.codec, rate=SAMPLE_RATE, options=dict(coding.options))
    stream.layout = "stereo"
    return stream


def _picture(number: int) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for place, plane in enumerate(frame.planes):
        plane.update(bytes([(7 * number + 40 * place) % 256]) * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def _sound(form: str, heard: int, samples: int) -> av.AudioFrame:
    frame = av.AudioFrame(form, "stereo", samples)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, heard, Fraction(1, SAMPLE_RATE)
    return frame
