"""A well-behaved client in its own process, which sends a few requests a second and measures each.

`python -m bench.abuse.client TARGET ADDRESS KEY` sends requests until its input ends. Then it prints a JSON
list of [start, seconds, problem]: `start` is wall-clock time, and `problem` is empty for a correct response.
"""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import grpc

from protos.catalogue.v1 import catalogue_pb2, catalogue_pb2_grpc

# Another address than the attacker's 127.0.0.1.
OWN_ADDRESS = "127.0.0.2"
# Requests a second; each starts on time, whether or not earlier ones have a response.
RATE = 25
# Seconds after which a request counts as failed.
REQUEST_TIMEOUT = 15.0

Send = Callable[[int], Awaitable[str]]


@asynccontextmanager
async def gateway(address: str, _key: str) -> AsyncIterator[Send]:
    """Query plans; each price is another query, so that no cache can serve all of them."""
    async with _http() as http:

        async def send(number: int) -> str:
            query = f"{{ dataPlans(first: 5, filter: {{maxPrice: {number % 500 + 1}.5}}) {{ id price }} }}"
            async with http.post(f"http://{address}/graphql", json={"query": query}) as response:
                body = await response.read()
            correct = response.status == 200 and "errors" not in json.loads(body)
            return "" if correct else f"{response.status} {body[:200].decode(errors='replace')}"

        yield send


@asynccontextmanager
async def webhooks(address: str, key: str) -> AsyncIterator[Send]:
    """Post signed callbacks, each about another eSIM."""
    begun = time.time_ns()
    async with _http() as http:

        async def send(number: int) -> str:
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
            ) as response:
                text = await response.text()
            return "" if response.status == 200 else f"{response.status} {text[:200]}"

        yield send


@asynccontextmanager
async def catalogue(address: str, _key: str) -> AsyncIterator[Send]:
    """Call a catalogue service for a page of plans, through a relay as gRPC can't bind a source address."""
    host, _, port = address.rpartition(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(
            host, int(port), local_addr=(OWN_ADDRESS, 0)
        )
        with suppress(asyncio.CancelledError):  # the end of this process
            await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    relay_address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, grpc.aio.insecure_channel(relay_address) as channel:
        plans = catalogue_pb2_grpc.CatalogueServiceStub(channel)

        async def send(_number: int) -> str:
            try:
                await plans.ListPlans(
                    catalogue_pb2.ListPlansRequest(page_size=20), timeout=REQUEST_TIMEOUT
                )
            except grpc.aio.AioRpcError as error:
                return f"{error.code().name} {error.details()}"
            return ""

        yield send


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def _http() -> AsyncIterator[aiohttp.ClientSession]:
    # Each request is that of a new visitor, who needs a connection.
    connector = aiohttp.TCPConnector(local_addr=(OWN_ADDRESS, 0), limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        yield http


TARGETS = {"gateway": gateway, "webhooks": webhooks, "catalogue": catalogue}


async def send_until(send: Send, stop: asyncio.Event) -> list[tuple[float, float, str]]:
    """Send requests until the stop."""
    requests: list[tuple[float, float, str]] = []

    async def one(number: int) -> None:
        begun, started = time.time(), time.monotonic()
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                problem = await send(number)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            problem = f"{type(error).__name__} {error}"
        requests.append((begun, time.monotonic() - started, problem))

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begun + number / RATE - time.monotonic()))
            if stop.is_set():
                break
            group.create_task(one(number))
    return sorted(requests)


async def main(target: str, address: str, key: str) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait, daemon=True).start()
    async with TARGETS[target](address, key) as send:
        print(json.dumps(await send_until(send, stop)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
