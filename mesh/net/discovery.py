"""Discovery: addresses at which other nodes may be, from seeds, from this host's other nodes, and by multicast DNS.

All it yields is addresses to try: who is there, and whether he is one of us, is for the membership to find out. A
service that disappears from multicast DNS means nothing, and nothing is ever taken back.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from mesh.config import MESH_PORT, Address, MeshConfig
from mesh.gossip.member import Card
from mesh.gossip.tables import Tables
from mesh.net.addresses import is_ip, on_the_lan, plain, resolve
from mesh.net.state import State
from mesh.net.tasks import guarded
from mesh.net.whereabouts import LOOK_S

log = logging.getLogger("mesh.discovery")
logging.getLogger("zeroconf").setLevel(logging.ERROR)  # it warns of every network that vanishes, with a traceback

SERVICE = "_mediamesh._tcp.local."
RESOLVE_S = 30.0
"""Between two looks at what the seeds' names mean now."""
RETRY_S = 2.0
"""The same while one of them means nothing."""
SIBLINGS_S = 2.0
ALONE_S = 10.0
"""After which a node that has met nobody is told why that may be."""
REQUEST_MS = 3000

Found = Callable[[Iterable[Address], bool], None]


class Discovery:
    """Everything that may lead to other nodes."""

    def __init__(self, config: MeshConfig, state: State, tables: Tables, found: Found) -> None:
        """`found` gets addresses of control sockets, often the same ones, and whether they are to be tried for ever."""
        self._config = config
        self._state = state
        self._tables = tables
        self._found = found

    @property
    def _card(self) -> Card:
        return self._tables.members[self._tables.me].card

    async def run(self) -> None:
        """Look until cancelled."""
        self._found(self._state.peers(self._config.name), True)
        async with asyncio.TaskGroup() as tasks:
            for seed in self._config.seeds:
                tasks.create_task(guarded(self._resolve(Address.parse(seed, MESH_PORT))))
            if self._config.mdns:
                tasks.create_task(guarded(self._meet_siblings()))
                tasks.create_task(guarded(self._multicast()))
                tasks.create_task(self._say_if_alone())

    async def _resolve(self, seed: Address) -> None:
        """Try what a seed's name means, now and whenever it may mean something else."""
        while True:
            found = await resolve(seed)
            self._found(found, is_ip(seed.host))  # a name that means others tomorrow must not pile them up
            await asyncio.sleep(RESOLVE_S if found else RETRY_S)

    async def _meet_siblings(self) -> None:
        """Try the other nodes of this host, which need no network at all."""
        known: set[Address] = set()
        while True:
            siblings = set(self._state.siblings(self._config.name))
            self._found(siblings - known, False)
            known = siblings
            await asyncio.sleep(SIBLINGS_S)

    async def _multicast(self) -> None:
        """Announce this node and listen for others, on whatever interfaces there are at the time."""
        level = logging.WARNING
        while True:
            if addresses := self._interfaces():
                try:
                    await self._announce(addresses)
                except Exception as error:  # an interface that has gone, a name that is taken, what others sent
                    log.log(level, "multicast DNS failed: %r", error)
                    level = logging.DEBUG
            await asyncio.sleep(LOOK_S)

    async def _say_if_alone(self) -> None:
        """Tell once what to do if this node meets nobody: many networks carry no multicast."""
        await asyncio.sleep(ALONE_S)
        name = self._config.name
        if not self._config.seeds and not any(id != self._tables.me for id in self._tables.members):
            log.info("no other node of mesh %r in %g s; if there are any, name one: mesh.seeds=HOST", name, ALONE_S)

    async def _announce(self, addresses: list[str]) -> None:
        """Be known on these interfaces, until there are others."""
        dns = AsyncZeroconf(interfaces=addresses, ip_version=zeroconf.IPVersion.All)
        names: asyncio.Queue[str] = asyncio.Queue()

        def heard(service_type: str, name: str, state_change: zeroconf.ServiceStateChange, **_: Any) -> None:
            if state_change is not zeroconf.ServiceStateChange.Removed and name.endswith(f".{SERVICE}"):
                names.put_nowait(name)

        browser = AsyncServiceBrowser(dns.zeroconf, SERVICE, handlers=[heard])
        try:
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(self._ask_all(dns, names))
                await dns.async_register_service(self._service())
                while addresses == self._interfaces():  # noqa: ASYNC110 - nobody tells of them
                    await asyncio.sleep(LOOK_S)
                asking.cancel()
        finally:
            await browser.async_cancel()
            await dns.async_close()

    async def _ask_all(self, dns: AsyncZeroconf, names: asyncio.Queue[str]) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(guarded(self._ask(dns, await names.get())))

    async def _ask(self, dns: AsyncZeroconf, name: str) -> None:
        """Try what a service says of itself, if it is a node of our mesh."""
        service = AsyncServiceInfo(SERVICE, name)
        if not await service.async_request(dns.zeroconf, REQUEST_MS):
            return
        text = service.decoded_properties
        if text.get("mesh") != self._config.name or text.get("id") == self._card.id or not service.port:
            return
        hosts = [*(text.get("host") or "").split(), *service.parsed_scoped_addresses(zeroconf.IPVersion.All)]
        self._found([Address(host, service.port) for host in hosts], False)

    def _interfaces(self) -> list[str]:
        """The addresses by which its neighbours reach this node: all of its host, or the one where it listens."""
        found, host = on_the_lan(), Address.parse(self._config.listen).host
        if not is_ip(host) or plain(host).is_unspecified:
            return found
        return [address for address in found if plain(address) == plain(host)]

    def _service(self) -> AsyncServiceInfo:
        card = self._card
        hosts = card.addresses if self._config.advertise else dict.fromkeys([*card.addresses, *self._interfaces()])
        ips = [host.partition("%")[0] for host in hosts if is_ip(host)]
        named = [host for host in hosts if not is_ip(host)]
        text = {"mesh": self._config.name, "id": card.id, "host": " ".join(named)}
        server = f"{card.id}.local."
        return AsyncServiceInfo(
            SERVICE, f"{card.id}.{SERVICE}", card.control, properties=text, parsed_addresses=ips, server=server
        )
