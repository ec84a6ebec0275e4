"""Attacks on the memory of the gateway, from loopback and without a session, each bounded in time and count.

An address is host:port of the gateway's HTTP server.
"""

import asyncio
import hashlib
from collections import Counter
from itertools import count

from bench.abuse.raw_http import Connection, attack, post

# Plans with a field under ten long names: an answer of two megabytes that costs little to make.
LARGE = (
    f"dataPlans(first: 500) {{ {' '.join(f'{letter * 400}: name' for letter in 'abcdefghij')} }}"
)
# Characters of large requests.
LONG = 15_000
CONNECTIONS = 40


async def unread_answers(address: str, seconds: float) -> Counter[str]:
    """Request large answers, a different one each time, and read none.

    Every other request is too expensive for a caller without a session, and would get a larger answer.
    Bound: the cost of an operation, an address's work, unsent bytes, and time to read them.
    """
    numbers = count()
    many = " ".join(f"a{alias}: description" for alias in range(20))

    async def act(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined] # not in typeshed
        number = next(numbers)
        fields = many if number % 2 else "id name description"
        query = f"query($f: DataPlanFilter) {{ dataPlans(filter: $f) {{ {fields} }} }}"
        await connection.send(post(query, variables={"f": {"maxPrice": 1_000_000 + number}}))
        while not connection.writer.is_closing():
            await asyncio.sleep(1)
            await connection.send(b"\r\n")  # fails once the server has closed it

    return await attack(address, seconds, 2 * CONNECTIONS, act)


async def undeclared_variables(address: str, seconds: float) -> Counter[str]:
    """Send one small query with different undeclared variables each time.

    Bound: only declared variables are part of a cache key, which no setting switches off.
    """
    numbers = count()

    async def act(connection: Connection) -> None:
        while True:
            given = {f"a{next(numbers)}": "x" * 200_000}
            await connection.send(post("{ featuredPlans(first: 1) { id } }", variables=given))
            await connection.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def many_answers(address: str, seconds: float) -> Counter[str]:
    """Request large answers that are all cached.

    Bound: bytes of cached answers, and an address's rate and work.
    """
    numbers = count()

    async def act(connection: Connection) -> None:
        while True:
            await connection.send(post(f"{{ a{next(numbers)}: {LARGE} }}"))
            await connection.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def long_documents(address: str, seconds: float) -> Counter[str]:
    """Send documents of maximum length, valid and invalid, with and without a hash, never one twice.

    Bound: characters of cached documents, which no setting switches off.
    """
    numbers = count()

    async def act(connection: Connection) -> None:
        while True:
            number = next(numbers)
            field = "id" if number % 2 else "nothing"
            query = f"{{ dataPlans(first: 1) {{ {f'{field} ' * 450} }} }} # {number} "
            query += "x" * (LONG - len(query))
            sha256 = hashlib.sha256(query.encode()).hexdigest()
            named = {"persistedQuery": {"version": 1, "sha256Hash": sha256}}
            await connection.send(post(query, extensions=named if number % 4 < 2 else {}))
            await connection.answer()

    return await attack(address, seconds, CONNECTIONS, act)


async def large_heads(address: str, seconds: float) -> Counter[str]:
    """Send request heads of megabytes in headers of legal length, and never end them.

    Bound: bytes and time of a head.
    """

    async def act(connection: Connection) -> None:
        await connection.send(b"GET /healthz HTTP/1.1\r\n")
        for number in range(120):
            await connection.send(b"X-%d: %b\r\n" % (number, b"x" * 24_000))
        await connection.answer()

    return await attack(address, seconds, 200, act)


async def pipelined_bodies(address: str, seconds: float) -> Counter[str]:
    """Pipeline requests with bodies behind a long answer, and read nothing.

    Bound: requests wait behind another on a connection, and long answers are written piece by piece, which no
    setting switches off.
    """
    query = post("{ featuredPlans { id } }", variables={"a": "x" * 100_000})

    async def act(connection: Connection) -> None:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined] # not in typeshed
        await connection.send(post(f"{{ {LARGE} }}"))
        while True:
            await connection.send(query)

    return await attack(address, seconds, 100, act)
