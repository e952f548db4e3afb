"""Wires: the sockets between the members of a mesh, and the frame of every message.

Everyone binds a ROUTER, for what is meant for it alone, and a PUB, for what is meant for all; its one SUB connects to
every other PUB, and it sends to a ROUTER over a DEALER that is opened when first needed. A frame is the id and the boot
of its sender, then the message. Nothing goes back through a ROUTER: an answer takes the answerer's DEALER.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import zmq

from mesh.config import Address
from mesh.control.cause import Cause
from mesh.errors import WireError
from mesh.gossip.allowance import Allowances
from mesh.gossip.message import Sender
from mesh.media.wire import MAX_MESSAGE, decode, encode
from mesh.net.addresses import is_ip, resolve, text
from mesh.net.dials import Dials
from mesh.net.door import Door
from mesh.net.security import Options, Security
from mesh.net.sockets import WATCHFUL, Socket

log = logging.getLogger("mesh.gossip")

MOST_LOOKUPS = 8
"""Names that are looked up at once: it takes a thread for each, and as long as the name server takes."""
ID = 16
ENVELOPE = 24
"""Bytes of a sender's id and boot."""
IDLE_S = 30.0
"""After which an unused DEALER is closed."""
FLUSH_MS = 100
"""For which the last messages may take to leave a socket that is closed."""
MAX_DEALERS = 512
"""Whoever says hello names the port of our answer: the one used longest ago is closed for one too many."""
MAX_SOCKETS = 8192
"""Of one context; a DEALER and its monitor take three."""
MAX_BLAMED = 1000
HEARD = 4 << 20, 8 << 20
"""Bytes of messages that are read of one host in a second, and at once; what is beyond is dropped unread."""
MESSAGE_COST = 256
"""What a message counts in addition to its bytes."""
UNREAD = 1 << 20
"""Bytes that all others together may have under way to one of the sockets that are read."""
SUBSCRIPTIONS = 1 << 20
"""The same of subscriptions."""
SILENT = 1 << 16
"""The same where nothing is expected."""
MAX_FAILING = 4096
AGAIN_S = (0.1, 5.0)
"""Between two attempts to hear a publisher whose handshake fails, doubling."""
OPTIONS: Options = {
    zmq.IPV6: 1,
    zmq.MAXMSGSIZE: MAX_MESSAGE + 1024,  # CURVE's own bytes count too
    zmq.SNDHWM: 2000,
    zmq.RCVHWM: 100,  # of each connection: what does not fit waits at its sender
    zmq.HANDSHAKE_IVL: 2000,
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 1000,
    zmq.CONNECT_TIMEOUT: 2000,
    **WATCHFUL,
}


class Wires:
    """One node's sockets to all others."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        security: Security,
        me: Sender,
        receive: Callable[[Any, Sender], None],
        disconnected: Callable[[Address], None],
        found: Callable[[list[Address]], None],
    ) -> None:
        """`receive` gets each message and may raise `WireError`; `disconnected` gets addresses that were connected.

        `found` gets what a name means to which something was to be sent: libzmq would look it up itself, and neither
        send nor receive anything until it knows.
        """
        self.rejected: Counter[str] = Counter()
        """Messages that made no sense, by the host they came from."""
        self._context = context
        self._security = security
        self._allowances = Allowances(*HEARD, MAX_BLAMED)
        self._envelope = bytes.fromhex(me.id + me.boot)
        self._receive = receive
        context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        self._judge = security.listen(context)
        self._router = Socket(context, zmq.ROUTER, lambda frames: self._take(frames[1:]), OPTIONS | security.serving())
        self._pub = Socket(context, zmq.PUB, None, OPTIONS | security.dialling())
        self._sub = Socket(context, zmq.SUB, self._take, OPTIONS | security.serving())
        self._sub.zmq.subscribe(b"")
        meter = security.meter
        for socket, most in ((self._router, UNREAD), (self._pub, SUBSCRIPTIONS), (self._sub, UNREAD)):
            meter.watch(socket, most)
        for socket in (self._router, self._pub):
            Door(socket, security.sealed, security.troubles.note, meter.bars)
        self._dials = Dials(security.sealed, self._met, disconnected, self._failed)
        self._dials.watch(self._sub)
        self._found = found
        self._lookups: dict[Address, asyncio.Task[None]] = {}
        self._dealers: dict[Address, tuple[Socket, float]] = {}
        self._heard: set[Address] = set()
        self._turns: Counter[Address] = Counter()
        """Which secret is to be tried at an address; grows with each handshake that fails."""

    def bind(self, host: str, control: int, gossip: int) -> tuple[int, int]:
        """Listen; 0 takes a free port. Raises `zmq.ZMQError` if one is taken."""
        return self._router.bind(host, control), self._pub.bind(host, gossip)

    def publish(self, message: Any) -> None:
        """To everyone who subscribed."""
        self._pub.send([self._envelope + encode(message)])

    def send(self, address: Address, message: Any, now: float) -> bool:
        """To the node whose ROUTER is there; False if too much waits for it already, or it cannot be dialled."""
        if not is_ip(address.host):
            self._look_up(address)
            return False
        try:
            dealer = self._dealers[address][0] if address in self._dealers else self._dial(address)
        except zmq.ZMQError as error:  # no descriptor is free, or no such address can be: the others are still heard
            log.debug("cannot dial %s: %s", address, error)
            return False
        self._dealers[address] = dealer, now
        return dealer.send([self._envelope + encode(message)])

    def dialling(self, address: Address) -> Options:
        """Options for other sockets that connect to the node whose ROUTER is there."""
        return self._security.dialling(self._turns[address])

    def subscribe(self, address: Address) -> None:
        """Hear what is published there."""
        self._heard.add(address)
        self._hear(address)

    def unsubscribe(self, address: Address) -> None:
        """Hear it no more."""
        self._heard.discard(address)
        self._sub.disconnect(_endpoint(address))

    def redial(self) -> None:
        """Make all connections anew: one from an address that this host had before would wait in vain for long."""
        for dealer, _ in self._dealers.values():
            dealer.close()
        self._dealers.clear()
        for address in self._heard:
            self._sub.disconnect(_endpoint(address))
            self._hear(address)

    def close_idle(self, now: float) -> None:
        """Close what nobody has used for a while."""
        for address, (dealer, used) in [*self._dealers.items()]:
            if now > used + IDLE_S:
                del self._dealers[address]
                dealer.close()

    def close(self) -> None:
        """Close everything, once the last words are out; a second time is no error."""
        if self._pub.zmq.closed:
            return
        for lookup in self._lookups.values():
            lookup.cancel()
        talking = [self._pub, *(dealer for dealer, _ in self._dealers.values())]
        for socket in talking:
            socket.zmq.linger = FLUSH_MS
        for socket in (*talking, self._sub, self._router, self._judge):
            socket.close()

    def _take(self, frames: list[zmq.Frame]) -> None:
        host = _host(frames[0]) if frames else ""
        try:
            if len(frames) != 1 or len(frames[0]) <= ENVELOPE:
                raise WireError(f"message of {len(frames)} frames, expected one of more than {ENVELOPE} bytes")
            now = asyncio.get_running_loop().time()
            if not self._allowances.take(host, now, MESSAGE_COST + len(frames[0])):
                raise WireError(f"more than is read of one host, {HEARD[0]} bytes per second")
            data = frames[0].buffer
            sender = Sender(data[:ID].hex(), data[ID:ENVELOPE].hex(), host)
            if not self._security.proves(frames[0], sender.id):
                raise WireError(f"message in the name of {sender.id}, whose key is another")
            self._receive(decode(data[ENVELOPE:]), sender)
            self._security.meter.count(frames)
        except WireError as error:
            self._blame(host, error)

    def _blame(self, host: str, error: WireError) -> None:
        """Count what makes no sense, and say so once."""
        if host not in self.rejected and len(self.rejected) < MAX_BLAMED:
            log.warning("a message from %s is dropped, and more may follow: %s", host or "somewhere", error)
        if host in self.rejected or len(self.rejected) < MAX_BLAMED:
            self.rejected[host] += 1

    def _dial(self, address: Address) -> Socket:
        if len(self._dealers) >= MAX_DEALERS:
            oldest = min(self._dealers, key=lambda address: self._dealers[address][1])
            self._dealers.pop(oldest)[0].close()
        dealer = Socket(self._context, zmq.DEALER, None, OPTIONS | self.dialling(address))
        self._dials.watch(dealer)
        self._security.meter.watch(dealer, SILENT)
        try:
            dealer.connect(_endpoint(address))
        except zmq.ZMQError:
            dealer.close()
            raise
        return dealer

    def _hear(self, address: Address) -> None:
        if address in self._heard and not self._sub.zmq.closed:
            for option, value in self._security.serving(self._turns[address]).items():
                self._sub.zmq.set(option, value)  # for the connections to come
            try:
                self._sub.connect(_endpoint(address))
            except zmq.ZMQError as error:
                log.debug("cannot hear %s: %s", address, error)

    def _look_up(self, address: Address) -> None:
        """Find out what a name means; of many that take long, the others have to come again."""
        if address not in self._lookups and len(self._lookups) < MOST_LOOKUPS:
            self._lookups[address] = asyncio.create_task(self._resolve(address))

    async def _resolve(self, address: Address) -> None:
        try:
            self._found(await resolve(address))
        finally:
            del self._lookups[address]

    def _met(self, address: Address) -> None:
        """A handshake has succeeded."""
        if address in self._turns:
            self._turns[address] %= self._security.turns
        self._security.troubles.clear(address)

    def _failed(self, address: Address, cause: Cause) -> None:
        """A handshake has failed: hang up, and try the next secret when it is dialled again."""
        if len(self._turns) >= MAX_FAILING:
            self._turns.clear()
        self._turns[address] += 1
        if self._turns[address] >= 2 * self._security.turns:  # none will do; once may be a node that is dying
            self._security.troubles.note(address, cause)
        if address in self._dealers:
            self._dealers.pop(address)[0].close()
        elif address in self._heard:
            least, most = AGAIN_S
            self._sub.disconnect(_endpoint(address))
            pause = min(least * 2 ** min(self._turns[address], 8), most)
            asyncio.get_running_loop().call_later(pause, self._hear, address)


def _endpoint(address: Address) -> str:
    return f"tcp://{address}"


def _host(frame: zmq.Frame) -> str:
    """The address that a message came from, as the network saw it."""
    try:
        host = str(frame.get("Peer-Address"))
        return host if "%" in host else text(host)
    except (zmq.ZMQError, ValueError):
        return ""
