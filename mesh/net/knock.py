"""Knock: proves that nobody listens at an address any more, which ZeroMQ keeps to itself."""

import asyncio

from mesh.config import Address

ANSWER_S = 1.0
AGAIN_S = (0.0, 0.05, 0.2)
"""Pauses before each knock: a process that is being killed may take a moment to close its port."""


async def refuses(address: Address) -> bool:
    """Whether nobody listens there, on a host that is there to say so."""
    for pause in AGAIN_S:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(ANSWER_S):
                _, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        writer.close()
    return False
