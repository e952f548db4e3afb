"""API: what any node says about the whole mesh, its health and metrics, and the pages that show them."""

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files

from aiohttp import web

from mesh.balance.policy import Candidate, Placement, Redirect, Refuse, Request
from mesh.control import reply
from mesh.control.nodes import nodes
from mesh.control.quality import quality
from mesh.control.reply import body
from mesh.control.streams import stream, streams
from mesh.control.url import stream_url
from mesh.gossip.tables import Tables
from mesh.net.balance import Balance
from mesh.net.doctor import Doctor
from mesh.net.request import ask, asked_of
from mesh.net.survey import Survey
from mesh.net.terms import CORS, asked_host, failure, query_of, refusals

PAGES = files("mesh.net") / "web"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
         ".txt": "text/plain"}  # fmt: skip
FRESH = {"Cache-Control": "no-cache"}
DIGITS = 4
"""Decimal places of a score and its terms."""


class Api:
    """The routes that are not media."""

    def __init__(
        self,
        tables: Tables,
        survey: Survey,
        doctor: Doctor,
        balance: Balance,
        unready: Callable[[], str],
        metrics: Callable[[], bytes],
    ) -> None:
        """`unready` says why the node is not to get any clients, "" if it is."""
        self._tables = tables
        self._survey = survey
        self._doctor = doctor
        self._balance = balance
        self._unready = unready
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        """For the application's router, before those of the media."""
        return [
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
            web.get("/api/v1/nodes", self.nodes),
            web.get("/api/v1/streams", self.streams),
            web.get("/api/v1/streams/{stream:.+}", self.stream),
            web.get("/api/v1/quality", self.quality),
            web.get("/api/v1/route", self.route),
            web.get("/api/v1/doctor", self.doctor),
            web.route("*", "/api/{rest:.*}", self.unknown),
            web.get("/", self.page),
            web.get("/watch/{stream:.+}", self.page),
            web.get("/static/{name}", self.page),
        ]

    async def livez(self, request: web.Request) -> web.Response:
        """Alive, as long as the event loop turns."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:
        """Ready for clients."""
        reason = self._unready()
        return web.Response(status=503 if reason else 200, text=f"{reason or 'ok'}\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus."""
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def nodes(self, request: web.Request) -> web.Response:
        """Every node."""
        return _json(nodes(self._tables, asked_host(request)))

    async def streams(self, request: web.Request) -> web.Response:
        """Every stream."""
        survey = await self._survey.held()
        return _json(streams(self._tables, survey.held, tuple(survey.missing)))

    async def stream(self, request: web.Request) -> web.Response:
        """One stream, its replicas as a relay tree."""
        key = request.match_info["stream"]
        survey = await self._survey.held(key)
        shown = stream(key, self._tables, survey.held, tuple(survey.missing))
        if shown is None:
            raise failure(404, f"no node has {key}")
        return _json(shown)

    async def quality(self, request: web.Request) -> web.Response:
        """How well every stream comes to every node that fetches it."""
        survey = await self._survey.held()
        return _json(quality(self._tables, survey.held, tuple(survey.missing)))

    async def route(self, request: web.Request) -> web.Response:
        """Where a client would be sent, and why."""
        query = query_of(request)
        with refusals():
            zone = self._balance.zone_of(query.get("ip") or request.remote or "")
            wish = ask(*asked_of(query), query, zone)
        placement = self._balance.place(wish)
        shown = self._route(wish, placement, asked_host(request))
        if wish.explain and placement.candidates:
            candidates = tuple(map(self._candidate, placement.candidates))
            weights, others = self._balance.weights(wish), len(self._tables.members) - len(candidates)
            shown = replace(shown, weights=weights, candidates=candidates, others=others)
        return _json(shown)

    def _route(self, wish: Request, placement: Placement, host: str) -> reply.Route:
        if isinstance(placement, Refuse):
            return reply.Route("refuse", placement.reasons, status=placement.status)
        verb, node = ("redirect", placement.node) if isinstance(placement, Redirect) else ("serve", self._tables.me)
        session = [("sid", wish.sid)] if wish.sid else []
        url = stream_url(self._tables.members[node], wish.stream, wish.proto, self._tables, host, session)
        return reply.Route(verb, placement.reasons, self._tables.display_name(node), url)

    def _candidate(self, candidate: Candidate) -> reply.Candidate:
        terms = {name: round(value, DIGITS) for name, value in candidate.terms.items()}
        name, score = self._tables.display_name(candidate.node), round(candidate.score, DIGITS)
        return reply.Candidate(name, candidate.zone, candidate.role, terms, score, candidate.lost)

    async def doctor(self, request: web.Request) -> web.Response:
        """What keeps this node from others."""
        return _json(await self._doctor.examine())

    async def page(self, request: web.Request) -> web.Response:
        """The dashboard, a stream's player, or a file that these need."""
        name = request.match_info.get("name") or ("watch.html" if "stream" in request.match_info else "index.html")
        file, kind = PAGES / name, TYPES.get(name[name.rfind(".") :])
        if "/" in name or kind is None or not file.is_file():  # it was escaped, and leads to another folder
            raise failure(404, f"no page {name}")
        return web.Response(body=file.read_bytes(), content_type=kind, charset="utf-8", headers=FRESH)

    async def unknown(self, request: web.Request) -> web.Response:
        """An API path that does not exist, or not with this method."""
        raise failure(404, f"{request.method} {request.path}: no such call")


def _json(shown: object) -> web.Response:
    return web.Response(text=body(shown), content_type="application/json", headers=CORS)
