"""Readiness probes of processes, over gRPC health and over HTTP."""

import aiohttp

from kit.net.tls import PLAIN, TLS
from kit.rpc import client as rpc_client

# Seconds. A process on this machine that is too busy to answer is probed again.
TIMEOUT = 2.0


async def http(session: aiohttp.ClientSession, url: str) -> bool:
    """Return True if a GET is answered with 200."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=TIMEOUT)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def rpc(address: str, tls: TLS = PLAIN, part: str = "") -> bool:
    """Return True if a gRPC server reports SERVING, for itself or for a part such as its database."""
    # A new channel for each probe: an existing one would back off between its attempts to connect.
    async with rpc_client.channel(address, tls) as channel:
        return await rpc_client.health(channel, TIMEOUT, part) == "SERVING"
