"""ZeroMQ sockets on the event loop, drained in bounded turns.

A plain socket with a reader on its descriptor costs a tenth of `zmq.asyncio` per message. The descriptor is
edge-triggered: it stays silent about what was there before, so every drain goes on until the socket is empty (or its
turn is over and the next one is booked), and every send looks again.
"""

import asyncio
import errno
import logging
from collections.abc import Callable
from itertools import count
from threading import Thread

import zmq
from zmq.utils.monitor import parse_monitor_message

log = logging.getLogger("mesh.net")

TURN = 256
"""Messages taken from one socket before the loop gets its turn."""
TURN_S = 0.005
"""Seconds after which it gets it in any case."""
WATCHFUL: dict[int, int | bytes] = {
    zmq.TCP_MAXRT: 4000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 3,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 1,
}
"""Give up a connection that is cut after some 4 s, by the kernel's own timers: ZeroMQ's heartbeats cost more."""
MOST_PARTS = 2048
"""Of one message; one that has more is dropped, in turns."""
WATCHED = (
    zmq.EVENT_ACCEPTED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
"""All events that anybody can watch."""
END_S = 1.0
"""How long a context may take to end."""

_watches = count()


class Socket:
    """One ZeroMQ socket, whose messages go to a callback on the running loop."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        kind: int,
        receive: Callable[[list[zmq.Frame]], None] | None = None,
        options: dict[int, int | bytes] | None = None,
    ) -> None:
        """`receive` gets each message as its frames; options are set before any bind or connect."""
        self.zmq = context.socket(kind)
        self.zmq.linger = 0
        for option, value in (options or {}).items():
            self.zmq.set(option, value)
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._turn: asyncio.Handle | None = None
        self._context = context
        self.overlong: Callable[[zmq.Frame], None] | None = None
        """Gets a part of each message that has too many and is dropped."""
        self._torn = False
        """Whether the next part belongs to such a message."""
        self._watch: Socket | None = None
        self._watchers: list[tuple[int, Callable[[int, int, str], None]]] = []
        if receive:
            self._loop.add_reader(self.zmq.fileno(), self._drain)

    def watch(self, events: int, told: Callable[[int, int, str], None]) -> None:
        """Tell what becomes of this socket's connections: the event, its value (libzmq has a list) and the endpoint.

        To be called before it has any.
        """
        self._watchers.append((events, told))
        if not self._watch:
            endpoint = f"inproc://watch-{next(_watches)}"
            self.zmq.monitor(endpoint, WATCHED)
            # Without a limit: libzmq's own thread waits, and all connections with it, while an event does not fit.
            self._watch = Socket(self._context, zmq.PAIR, self._tell, {zmq.RCVHWM: 0})
            self._watch.connect(endpoint)

    def hear(self) -> None:
        """Tell those who watch what has happened by now."""
        if self._watch and not self.zmq.closed:
            self._watch._drain()

    def bind(self, host: str, port: int) -> int:
        """Listen on `host` and `port` (0 takes a free one); return the port. Raises `zmq.ZMQError` if it is taken."""
        host = f"[{host}]" if ":" in host else host or "*"
        self.zmq.bind(f"tcp://{host}:{port or '*'}")
        return int(self.zmq.get_string(zmq.LAST_ENDPOINT).rpartition(":")[2])

    def connect(self, endpoint: str) -> None:
        """Connect, and go on connecting, to `tcp://host:port`."""
        self.zmq.connect(endpoint)
        self._look_again()

    def disconnect(self, endpoint: str) -> None:
        """Forget an endpoint; one that was never connected is no error."""
        # Looking for messages makes libzmq read the first part of the next one, and with its connection gone it would
        # wait in vain for the second, and abort (zeromq/libzmq#2163). So that one is taken before.
        if self._receive and (message := self._next()):
            self._loop.call_soon(self._receive, message)
        try:
            self.zmq.disconnect(endpoint)
        except zmq.ZMQError as error:
            if error.errno != errno.ENOENT:
                raise

    def send(self, parts: list[bytes], copy: bool = True) -> bool:
        """Send one message without waiting; False if the socket would have to wait or has no peer."""
        try:
            self.zmq.send_multipart(parts, zmq.NOBLOCK, copy)
        except zmq.ZMQError as error:
            if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            return False
        finally:
            self._look_again()
        return True

    def close(self) -> None:
        """Close it; a second time is no error."""
        if self.zmq.closed:
            return
        if self._receive:
            self._loop.remove_reader(self.zmq.fileno())
        if self._turn:
            self._turn.cancel()
        if self._watch:
            self.zmq.disable_monitor()
            self._watch.close()
        self.zmq.close()

    def _look_again(self) -> None:
        if self._receive and not self._turn and not self.zmq.closed and int(self.zmq.get(zmq.EVENTS)) & zmq.POLLIN:
            self._turn = self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self._turn:
            self._turn.cancel()
            self._turn = None
        over = self._loop.time() + TURN_S
        try:
            for _ in range(TURN):
                if self.zmq.closed or not self._take() or self._loop.time() > over:
                    return
        finally:
            # Also when `receive` raised: the descriptor will not tell of the messages behind that one.
            self._look_again()

    def _take(self) -> bool:
        """Hand over one message; False if there is none."""
        assert self._receive
        message = self._next()
        if message:
            self._receive(message)
        return bool(message)

    def _next(self) -> list[zmq.Frame]:
        """The next message; nothing if there is none, or too much of one."""
        parts: list[zmq.Frame] = []
        try:
            while len(parts) < MOST_PARTS:
                parts.append(self.zmq.recv(zmq.NOBLOCK, copy=False))
                if not parts[-1].more:
                    whole, self._torn = not self._torn, False
                    return parts if whole else []
        except zmq.ZMQError as error:
            if error.errno != zmq.EAGAIN:
                raise
            return []
        if self.overlong and not self._torn:
            self.overlong(parts[-1])
        self._torn = True
        return []

    def _tell(self, frames: list[zmq.Frame]) -> None:
        told = parse_monitor_message([frame.bytes for frame in frames])
        for events, watcher in self._watchers:
            if events & told["event"]:
                watcher(told["event"], told["value"], told["endpoint"].decode(errors="replace"))


def end(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    """Close a context whose sockets are closed, or give it up: sometimes libzmq waits for ever for one of theirs."""
    closing = Thread(target=context.destroy, kwargs={"linger": 0}, daemon=True)
    closing.start()
    closing.join(END_S)
    if closing.is_alive():
        log.info("libzmq does not end, and is left as it is")
