"""Orders: the API's calls that change something, carried out here or passed on to the node that they are for.

Until clients can prove who they are, they are taken from this machine only: a proxy on it speaks for others, and so
does a page of another site in a browser on it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from mesh.control import reply
from mesh.control.order import Obeyed, Order, Verb
from mesh.control.url import is_loopback
from mesh.errors import StreamError
from mesh.net.addresses import plain
from mesh.net.gossip import Gossip
from mesh.net.tasks import guarded
from mesh.net.terms import CORS, STATUS, asked_host, failure, stream_key

ANSWER_S = 3.0
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")

Obey = Callable[[Verb, str], Awaitable[None]]
"""Carries out an order, on a stream if it is about one. Raises `StreamError`."""


class Orders:
    """What this node is told to do, and tells others."""

    def __init__(self, gossip: Gossip, obey: Obey, random: Random, spawn: Callable[..., object]) -> None:
        """`spawn` starts a task."""
        self._gossip = gossip
        self._obey = obey
        self._random = random
        self._spawn = spawn
        self._open: dict[int, asyncio.Future[Obeyed]] = {}
        gossip.on(Order, self._ordered)
        gossip.on(Obeyed, self._obeyed)

    def routes(self) -> list[web.RouteDef]:
        """For the application's router, before those of the media."""
        return [
            web.post("/api/v1/nodes/{node}/{verb:drain|undrain}", self.drain),
            web.post("/api/v1/streams/{stream:.+}/switch", self.switch),
        ]

    async def drain(self, request: web.Request) -> web.Response:
        """Have a node be rid of its clients, or take some again."""
        return await self._post(request, request.match_info["node"], Verb(request.match_info["verb"]), "")

    async def switch(self, request: web.Request) -> web.Response:
        """Let a standby lead."""
        return await self._post(
            request, request.query.get("node", ""), Verb.SWITCH, stream_key(request.match_info["stream"])
        )

    async def give(self, node: str, verb: Verb, stream: str = "") -> Obeyed:
        """Have a node, by its id, do this."""
        order = Order(self._random.getrandbits(63), verb, stream)
        if node == self._gossip.id:
            return await self._carried_out(order)
        answer: asyncio.Future[Obeyed] = asyncio.get_running_loop().create_future()
        self._open[order.nonce] = answer
        try:
            self._gossip.send(node, order)
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            return Obeyed(order.nonce, 504, f"{self._gossip.tables.display_name(node)} does not answer")
        finally:
            del self._open[order.nonce]

    async def _post(self, request: web.Request, name: str, verb: Verb, stream: str) -> web.Response:
        refuse_foreign(request)
        member = self._gossip.tables.by_name(name)
        if member is None or not member.status.living:
            raise failure(404, f"no node {name!r}" if name else "node is missing, expected ?node=NAME")
        obeyed = await self.give(member.id, verb, stream)
        if obeyed.problem:
            raise failure(obeyed.status, obeyed.problem)
        body = reply.body(reply.Told(name, verb, stream))
        return web.Response(text=body, content_type="application/json", headers=CORS)

    async def _carried_out(self, order: Order) -> Obeyed:
        try:
            await self._obey(Verb(order.verb), order.stream)
        except StreamError as error:
            return Obeyed(order.nonce, STATUS.get(type(error), 400), str(error))
        except ValueError:
            return Obeyed(order.nonce, 400, f"unknown order {order.verb[:20]!r}")
        return Obeyed(order.nonce, 200, "")

    def _ordered(self, sender: str, order: Order) -> None:
        async def answer() -> None:
            self._gossip.send(sender, await self._carried_out(order))

        self._spawn(guarded(answer()))

    def _obeyed(self, sender: str, obeyed: Obeyed) -> None:
        answer = self._open.get(obeyed.nonce)
        if answer and not answer.done():
            answer.set_result(obeyed)


def refuse_foreign(request: web.Request) -> None:
    """Take a request that changes something from this machine only."""
    if problem := _foreign(request):
        raise failure(403, f"{problem}: calls that change something are taken from this machine only")


def _foreign(request: web.Request) -> str:
    """Why a request may come from elsewhere; empty if it comes from this machine."""
    peer = request.remote or ""
    if not peer or not plain(peer).is_loopback:
        return f"you are {peer or 'nobody'}"
    if header := next((name for name in FORWARDED if name in request.headers), ""):
        return f"the header {header} says that you speak for another"
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None:
        return ""
    # Anybody can have a name of his own lead to this machine: only by one of its own the page is ours.
    if urlsplit(origin).netloc != request.headers.get(hdrs.HOST) or not is_loopback(asked_host(request)):
        return f"the page that asks is of {origin[:100]}"
    return ""
