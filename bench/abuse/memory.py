"""Attacks on the memory of the gateway, from loopback and without a session, each bounded in time and count.

An address is host:port of the gateway's HTTP server.
"""

import asyncio
import hashlib
from collections import Counter
from itertools import count

from bench.abuse.http_wire import Wire, attack, post

EVERYTHING = (
    "dataPlans(first: 10000) { id name description features countries { iso name region } }"
)
# Characters of large requests.
LONG = 15_000
CONNECTIONS = 40


async def unread_answers(address: str, seconds: float) -> Counter[str]:
    """Request the whole catalogue with a different answer each time, and read none.

    Bound: unsent bytes, and time to read them. HTTP_MAX_UNSENT=1000000000000 with
    HTTP_SEND_SECONDS=86400 switches it off.
    """
    numbers = count()

    async def act(wire: Wire) -> None:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # typeshed has the write side only
        await wire.send(post(f"{{ a{next(numbers)}: {EVERYTHING} }}"))
        while not wire.writer.is_closing():
            await asyncio.sleep(1)
            await wire.send(b"\r\n")  # fails once the server has closed it

    return await attack(address, seconds, CONNECTIONS, act)


async def undeclared_variables(address: str, seconds: float) -> Counter[str]:
    """Send one small query with different undeclared variables each time.

    Bound: what is part of a cache key, and bytes of cached answers.
    GATEWAY_RESPONSE_CACHE_BYTES=1000000000000 switches the second off.
    """
    numbers = count()

    async def act(wire: Wire) -> None:
        while True:
            given = {f"a{next(numbers)}": "x" * 200_000}
            await wire.send(post("{ featuredPlans(first: 1) { id } }", variables=given))
            await wire.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def many_answers(address: str, seconds: float) -> Counter[str]:
    """Request large answers that are all cached.

    Bound: bytes of cached answers. GATEWAY_RESPONSE_CACHE_BYTES=1000000000000 switches it off.
    """
    numbers = count()

    async def act(wire: Wire) -> None:
        while True:
            await wire.send(post(f"{{ a{next(numbers)}: dataPlans(first: 500) {{ id name }} }}"))
            await wire.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def long_documents(address: str, seconds: float) -> Counter[str]:
    """Send documents of maximum length, valid and invalid, with and without a hash, never one twice.

    Bound: characters of cached documents, and documents of one client.
    GATEWAY_PERSISTED_QUERIES_PER_CLIENT=1000000 switches the second off.
    """
    numbers = count()

    async def act(wire: Wire) -> None:
        while True:
            number = next(numbers)
            field = "id" if number % 2 else "nothing"
            query = f"{{ dataPlans(first: 1) {{ {f'{field} ' * 450} }} }} # {number} "
            query += "x" * (LONG - len(query))
            sha256 = hashlib.sha256(query.encode()).hexdigest()
            named = {"persistedQuery": {"version": 1, "sha256Hash": sha256}}
            await wire.send(post(query, extensions=named if number % 4 < 2 else {}))
            await wire.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def large_heads(address: str, seconds: float) -> Counter[str]:
    """Send request heads of megabytes in headers of legal length, and never end them.

    Bound: bytes and time of a head. HTTP_MAX_HEAD=1073741824 with HTTP_HEADER_SECONDS=86400 switches it
    off.
    """

    async def act(wire: Wire) -> None:
        await wire.send(b"GET /healthz HTTP/1.1\r\n")
        for number in range(120):
            await wire.send(b"X-%d: %b\r\n" % (number, b"x" * 24_000))
        await wire.answer()

    return await attack(address, seconds, 200, act)


async def pipelined_bodies(address: str, seconds: float) -> Counter[str]:
    """Pipeline requests with bodies behind a slow one, and read no answer.

    Bound: requests that wait behind another on a connection, and unsent bytes.
    HTTP_MAX_UNSENT=1000000000000 with HTTP_SEND_SECONDS=86400 switches the second off.
    """
    query = post("{ featuredPlans { id } }", variables={"a": "x" * 100_000})

    async def act(wire: Wire) -> None:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined] # typeshed has the write side only
        await wire.send(post(f"{{ {EVERYTHING} }}"))
        while True:
            await wire.send(query)

    return await attack(address, seconds, 100, act)
