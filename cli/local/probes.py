"""Questions whether a process answers: gRPC health, and an HTTP path that says 200."""

import aiohttp

from kit.net.tls import PLAIN, TLS
from kit.rpc import client as rpc_client

# Seconds for one answer from this machine; a busy one is asked again.
TIMEOUT = 2.0


async def http(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def rpc(address: str, tls: TLS = PLAIN, part: str = "") -> bool:
    """Whether a gRPC server says SERVING, of itself or of a part such as its database."""
    # A channel for each question: a kept one would back off between its attempts to connect.
    async with rpc_client.channel(address, tls) as channel:
        return await rpc_client.health(channel, TIMEOUT, part) == "SERVING"
