"""Links between the hosts of a `Network`: a program that passes on their packets late, slowly, later or not at all.

`python -m tests.e2e.link FD=ADDRESS ...` reads from each descriptor what the host of that address sends. An order is a
line of JSON on its input, and `ok` the answer. The time a packet takes is that of a wire: it waits until all before it
are through, then for the delay; what would wait for too long is dropped, as routers do.
"""

import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

WAIT_S = 0.4
"""For which a packet may wait for its turn on a link with a rate."""
TCP, RST = 6, 0x04
Flow = tuple[bytes, bytes]
"""Address and port of one side of a connection, and of the other."""


@dataclass
class Link:
    """One direction between two hosts, and how it is at the moment."""

    delay_ms: float = 0
    rate_kbps: float = 0
    """0 is no limit."""
    loss: float = 0
    """The part of all packets that is lost, from 0 to 1."""
    cut: bool = False
    """Nothing comes through, and nobody is told."""
    held: bool = False
    """Nothing comes through until it is held no more; then everything does."""
    free_at: float = 0
    waiting: deque[bytes] = field(default_factory=deque)
    ends: dict[Flow, int] = field(default_factory=dict)
    """The next sequence number of each connection."""

    def due(self, size: int, now: float) -> float | None:
        """When a packet arrives that is sent now; None if it is lost."""
        begins = max(now, self.free_at)
        if self.cut or begins > now + WAIT_S or (self.loss and random.random() < self.loss):
            return None
        self.free_at = begins + (size * 8 / 1000 / self.rate_kbps if self.rate_kbps else 0)
        return self.free_at + self.delay_ms / 1000

    def note(self, packet: bytes) -> None:
        """Remember where its connection is."""
        head = (packet[0] & 15) * 4
        if packet[9] != TCP or packet[6] & 0x1F or packet[7]:
            return
        ports, sequence, flags = packet[head : head + 4], packet[head + 4 : head + 8], packet[head + 13]
        flow = packet[12:16] + ports[:2], packet[16:20] + ports[2:]
        size = int.from_bytes(packet[2:4], "big") - head - (packet[head + 12] >> 4) * 4 + bool(flags & 3)
        if flags & RST:
            self.ends.pop(flow, None)
        else:
            self.ends[flow] = int.from_bytes(sequence, "big") + size & 0xFFFFFFFF


class Switch:
    """All links."""

    def __init__(self, ports: dict[str, int]) -> None:
        """`ports` are descriptors by address."""
        self._ports = {socket.inet_aton(address): port for address, port in ports.items()}
        self._links: dict[tuple[bytes, bytes], Link] = defaultdict(Link)
        self._flying: list[tuple[float, int, bytes]] = []
        self._number = count()

    def run(self) -> None:
        """Pass on packets until there are no more orders."""
        poll = select.poll()
        for descriptor in (0, *self._ports.values()):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll(self._pause_ms()):
                if descriptor:
                    self._take(os.read(descriptor, 1 << 16))
                elif line := sys.stdin.readline():
                    self.order(**json.loads(line))
                    print("ok", flush=True)
                else:
                    return
            now = time.monotonic()
            while self._flying and self._flying[0][0] <= now:
                self._deliver(heapq.heappop(self._flying)[2])

    def order(self, source: str, target: str, reset: bool = False, **shape: Any) -> None:
        """Change one direction; with `reset`, end all its connections with a RST."""
        link = self._links[socket.inet_aton(source), socket.inet_aton(target)]
        for name, value in shape.items():
            setattr(link, name, value)
        while not link.held and link.waiting:
            self._send(link, link.waiting.popleft())
        if reset:
            for (sender, receiver), sequence in [*link.ends.items()]:
                self._deliver(_rst(sender, receiver, sequence))

    def _pause_ms(self) -> float | None:
        return max(0.0, self._flying[0][0] - time.monotonic()) * 1000 if self._flying else None

    def _take(self, packet: bytes) -> None:
        if packet[0] >> 4 != 4 or packet[16:20] not in self._ports:
            return
        link = self._links[packet[12:16], packet[16:20]]
        if link.held:
            link.waiting.append(packet)
        else:
            self._send(link, packet)

    def _send(self, link: Link, packet: bytes) -> None:
        due = link.due(len(packet), time.monotonic())
        if due is not None:
            heapq.heappush(self._flying, (due, next(self._number), packet))

    def _deliver(self, packet: bytes) -> None:
        self._links[packet[12:16], packet[16:20]].note(packet)
        with suppress(OSError):  # where that host's interface is down
            os.write(self._ports[packet[16:20]], packet)


def _rst(sender: bytes, receiver: bytes, sequence: int) -> bytes:
    """The segment with which `sender` would end this connection."""
    tcp = struct.pack(">2s2sIIBBHHH", sender[4:], receiver[4:], sequence, 0, 5 << 4, RST, 0, 0, 0)
    pseudo = sender[:4] + receiver[:4] + struct.pack(">BBH", 0, TCP, len(tcp))
    tcp = tcp[:16] + _checksum(pseudo + tcp) + tcp[18:]
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, TCP, 0, sender[:4], receiver[:4])
    return ip[:10] + _checksum(ip) + ip[12:] + tcp


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


if __name__ == "__main__":
    given = (argument.split("=") for argument in sys.argv[1:])
    Switch({address: int(descriptor) for descriptor, address in given}).run()
