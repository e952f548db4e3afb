"""Knock: proves that nobody listens at an address any more, which ZeroMQ keeps to itself."""

import asyncio

from mesh.config import Address
from mesh.control.doctor import Verdict
from mesh.net.probe import probe

AGAIN_S = (0.0, 0.05, 0.2)
"""Pauses before each knock: a process that is being killed may take a moment to close its port."""


async def refuses(address: Address) -> bool:
    """Whether nobody listens there, on a host that is there to say so."""
    verdict = Verdict.OPEN
    for pause in AGAIN_S:
        if verdict is Verdict.OPEN:
            await asyncio.sleep(pause)
            verdict = await probe(address)
    return verdict is Verdict.REFUSED
