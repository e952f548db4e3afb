"""Probe: what a TCP connection to an address comes to."""

import asyncio

from mesh.config import Address
from mesh.control.doctor import Verdict

ANSWER_S = 1.0


async def probe(address: Address) -> Verdict:
    """Connect and hang up."""
    try:
        async with asyncio.timeout(ANSWER_S):
            _, writer = await asyncio.open_connection(*address)
    except ConnectionRefusedError:
        return Verdict.REFUSED
    except ConnectionResetError:  # its process ends just now, and no other has taken the port yet
        return Verdict.OPEN
    except (OSError, UnicodeError):
        return Verdict.SILENT
    writer.close()
    return Verdict.OPEN


async def probe_all(addresses: list[Address]) -> dict[Address, Verdict]:
    """The same of many at once."""
    unique = list(dict.fromkeys(addresses))
    return dict(zip(unique, await asyncio.gather(*map(probe, unique)), strict=True))
