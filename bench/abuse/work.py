"""Attacks on a gateway with expensive requests, from loopback and without a session.

Each takes the gateway's address (host:port) and seconds, and counts the answers by code and reason.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp

# Concurrent requests.
CONNECTIONS = 32
# Seconds between a refusal and the next request of a connection; otherwise most of the work would be sending.
PAUSE = 0.02
# Seconds after which a request counts as failed.
REQUEST_TIMEOUT = 60.0

ENTITIES = "query($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
PLANS = "query($f: DataPlanFilter) { dataPlans(filter: $f, first: 1) { id } }"
EVERYTHING = (
    "query($f: DataPlanFilter) { dataPlans(filter: $f) { id name countries { iso name } } }"
)

# The body of the request with that number.
Body = Callable[[int], dict[str, Any]]


async def long_documents(address: str, seconds: float) -> Counter[str]:
    """Send documents of 200 kB, each of one string of escapes.

    Bound: long documents are prepared one at a time, with time for other requests in between, which no
    setting switches off.
    """
    escapes = r"\u0041" * 33_000

    def body(number: int) -> dict[str, Any]:
        return {"query": f'{{ dataPlan(id: "{number}{escapes}") {{ id }} }}'}

    return await _attack(address, seconds, body)


async def lines_and_errors(address: str, seconds: float) -> Counter[str]:
    """Send 90,000 line ends and 3,000 faulty representations, whose source positions have to be found.

    Bound: the characters of a document, the values of variables and the errors of an answer.
    """

    def body(number: int) -> dict[str, Any]:
        query = "\n" * (90_000 + number) + ENTITIES
        return {"query": query, "variables": {"r": [{}] * 3_000}}

    return await _attack(address, seconds, body)


async def equal_names(address: str, seconds: float) -> Counter[str]:
    """Select one field 240 times, each time with a separate selection set.

    Bound: the comparisons of fields with one name, and an address's work.
    """

    def body(number: int) -> dict[str, Any]:
        selected = "countries { iso } " * 240
        return {"query": f'{{ dataPlan(id: "{number}") {{ {selected} }} }}'}

    return await _attack(address, seconds, body)


async def many_values(address: str, seconds: float) -> Counter[str]:
    """Send 20,000 values in one variable, each of which has to be converted.

    Bound: the values of variables, and an address's work.
    """

    def body(number: int) -> dict[str, Any]:
        return {"query": PLANS, "variables": {"f": {"countries": [str(number)] * 20_000}}}

    return await _attack(address, seconds, body)


async def faulty_entities(address: str, seconds: float) -> Counter[str]:
    """Request 1,900 entities that don't exist, each of which is an error.

    Bound: the errors of an answer, and an address's work.
    """

    def body(number: int) -> dict[str, Any]:
        return {"query": ENTITIES, "variables": {"r": [{"id": number}, *[{}] * 1_900]}}

    return await _attack(address, seconds, body)


async def unseen_documents(address: str, seconds: float) -> Counter[str]:
    """Send valid documents of the maximum size, each only once.

    Bound: long documents are prepared one at a time, with time for other requests in between, which no
    setting switches off.
    """

    def body(number: int) -> dict[str, Any]:
        values = f"{number} " * 1_950
        return {"query": f"{{ _entities(representations: [{values}]) {{ __typename }} }}"}

    return await _attack(address, seconds, body)


async def whole_catalogues(address: str, seconds: float) -> Counter[str]:
    """Request all plans with their countries, each time with another filter that all plans match.

    Bound: an address's work.
    """

    def body(number: int) -> dict[str, Any]:
        return {"query": EVERYTHING, "variables": {"f": {"maxPrice": 1_000_000 + number}}}

    return await _attack(address, seconds, body)


async def aliased_values(address: str, seconds: float) -> Counter[str]:
    """Request the name of every plan under fifty aliases.

    Bound: the cost of an operation, and an address's work.
    """
    names = " ".join(f"a{number}: name" for number in range(50))
    query = f"query($f: DataPlanFilter) {{ dataPlans(filter: $f) {{ {names} }} }}"

    def body(number: int) -> dict[str, Any]:
        return {"query": query, "variables": {"f": {"maxPrice": 1_000_000 + number}}}

    return await _attack(address, seconds, body)


async def _attack(address: str, seconds: float, body: Body) -> Counter[str]:
    """Send bodies one after another on each connection until the time is over."""
    answers: Counter[str] = Counter()
    numbers, end = itertools.count(), time.monotonic() + seconds
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)

    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:

        async def send() -> None:
            while True:
                outcome = await _answer(http, address, body(next(numbers)))
                answers[outcome] += 1
                if time.monotonic() >= end:
                    return
                if outcome != "answered":
                    await asyncio.sleep(PAUSE)

        await asyncio.gather(*(send() for _ in range(CONNECTIONS)))
    return answers


async def _answer(http: aiohttp.ClientSession, address: str, body: dict[str, Any]) -> str:
    try:
        async with http.post(f"http://{address}/graphql", json=body) as response:
            text = await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__
    errors = json.loads(text).get("errors")
    if not errors:
        return "answered"
    extensions = errors[0].get("extensions", {})
    return " ".join(str(extensions[key]) for key in ("code", "reason") if key in extensions)
