"""A polite client in a process of its own: a few requests a second, and how long each of them took.

Run as `python -m bench.abuse.polite TARGET ADDRESS SECONDS KEY`; prints a JSON list of
[begun, seconds, problem], where `begun` is wall-clock time and `problem` is empty for a right answer.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import grpc

from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc

# Another address than the attacker's, whom loopback shows as 127.0.0.1.
OWN_ADDRESS = "127.0.0.2"
# Requests a second; each is begun on time, whether or not those before it were answered.
RATE = 25
# Seconds after which a request counts as not answered.
PATIENCE = 15.0

Ask = Callable[[int], Awaitable[str]]


@asynccontextmanager
async def gateway(address: str, _key: str) -> AsyncIterator[Ask]:
    """Ask a gateway for plans; every price is another query, so that no cache answers all of them."""
    async with _http() as http:

        async def ask(number: int) -> str:
            query = f"{{ dataPlans(first: 5, filter: {{maxPrice: {number % 500 + 1}.5}}) {{ id price }} }}"
            async with http.post(f"http://{address}/graphql", json={"query": query}) as answer:
                body = await answer.read()
            right = answer.status == 200 and "errors" not in json.loads(body)
            return "" if right else f"{answer.status} {body[:200].decode(errors='replace')}"

        yield ask


@asynccontextmanager
async def webhooks(address: str, key: str) -> AsyncIterator[Ask]:
    """Post signed callbacks, each of an eSIM of its own."""
    begun = time.time_ns()
    async with _http() as http:

        async def ask(number: int) -> str:
            body = json.dumps(
                {
                    "iccid": f"8944{(begun // 1000 + number) % 10**15:015}",
                    "alertType": "FirstAttachment",
                }
            ).encode()
            signature = base64.b64encode(hmac.digest(key.encode(), body, hashlib.sha256)).decode()
            headers = {"Content-Type": "application/json", "X-Signature-SHA256": signature}
            async with http.post(
                f"http://{address}/webhooks/esim-go", data=body, headers=headers
            ) as answer:
                words = await answer.text()
            return "" if answer.status == 200 else f"{answer.status} {words[:200]}"

        yield ask


@asynccontextmanager
async def catalogue(address: str, _key: str) -> AsyncIterator[Ask]:
    """Call a catalogue service for a page of plans."""
    async with grpc.aio.insecure_channel(address) as channel:
        plans = catalogue_pb2_grpc.CatalogueServiceStub(channel)

        async def ask(_number: int) -> str:
            try:
                await plans.ListPlans(
                    catalogue_pb2.ListPlansRequest(page_size=20), timeout=PATIENCE
                )
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name} {error.details()}"
            return ""

        yield ask


@asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(local_addr=(OWN_ADDRESS, 0), limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


TARGETS = {"gateway": gateway, "webhooks": webhooks, "catalogue": catalogue}


async def ask_for(ask: Ask, seconds: float) -> list[tuple[float, float, str]]:
    """All requests of so many seconds."""
    seen: list[tuple[float, float, str]] = []

    async def one(number: int) -> None:
        begun, started = time.time(), time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                problem = await ask(number)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            problem = f"{type(error).__name__} {error}"
        seen.append((begun, time.monotonic() - started, problem))

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            due = begun + number / RATE
            if due > begun + seconds:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(number))
    return sorted(seen)


async def main(target: str, address: str, seconds: str, key: str) -> None:
    async with TARGETS[target](address, key) as ask:
        print(json.dumps(await ask_for(ask, float(seconds))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
