"""The bare floor: a loop that sends the same bytes at the same pace to as many sockets, and nothing else.

Its sockets have the options of ours.

Run as `python -m tools.measures.floor PORT FORMAT PASSES`: whoever connects to PORT gets noise of the default rate in
that format, PASSES times a second, or, with 0, each frame as it is due.
"""

import socket
import sys
from collections.abc import Iterator
from time import monotonic, sleep

from mesh.bench.clip import noise
from mesh.media.frame import Frame
from mesh.net.rtmp import RTMP
from mesh.stream.rendition import FLV, WEBSOCKET_FLV

FORMATS = {"http": FLV, "ws": WEBSOCKET_FLV, "rtmp": RTMP}
KBPS = 2100


def frames(form: str, kbps: int) -> Iterator[tuple[float, bytes]]:
    """Without end: when each frame is due, and its bytes."""
    clip, encode = noise(kbps), FORMATS[form].encode
    encoded = [
        b"".join(encode(Frame(0, tag.kind, tag.timestamp, 0, False, False, tag.payload), tag.timestamp))
        for tag in clip.tags
    ]
    number = 0
    while True:
        yield clip.tag(number).timestamp / 1000, encoded[number % len(encoded)]
        number += 1


def serve(port: int, form: str, passes: float, kbps: int = KBPS) -> None:
    """Send until terminated."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    print("listening", flush=True)
    players, sends = [], []
    upcoming = frames(form, kbps)
    due, data = next(upcoming)
    began = then = monotonic()
    while True:
        then = max(then + 1 / passes if passes else 0, began + due)
        sleep(max(0, then - monotonic()))
        now, parts = monotonic() - began, []
        while due <= now:
            parts.append(data)
            due, data = next(upcoming)
        piece = b"".join(parts)
        for send in sends:
            try:
                send(piece)
            except BlockingIOError:
                pass
            except OSError:
                players, sends = [], []
                break
        try:
            while True:
                player, _ = listener.accept()
                player.setblocking(False)
                player.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)  # as every player of ours has it
                players.append(player)
                sends.append(player.send)
        except BlockingIOError:
            pass


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), *map(int, sys.argv[4:]))
