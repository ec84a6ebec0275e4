"""A steady mix of requests and callbacks, and the memory of each process during it."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import click

from bench.purchase import Bench
from tests.chaos.purchase.buyers import BUY
from tests.chaos.purchase.machine import Machine

# Number of each in a second.
PURCHASES, PUBLIC, PERSONAL, CALLBACKS = 1.0, 6.0, 6.0, 2.0
CUSTOMERS = 50
# Seconds between two samples.
SAMPLE_EVERY = 15.0
LISTS = (
    "query($t: String) { dataPlans(first: 20, filter: {text: $t}) { id name price countries { iso } } }",
    "query($t: String) { dataPlans(first: 5, filter: {country: $t}) { id name price features } }",
)
FEATURED = "{ featuredPlans { id name price } }"
PERSONAL_QUERIES = (
    "{ myESIMs(first: 10) { id iccid status usage { totalUsed totalRemaining } bundles { name state } } }",
    "{ myOrders(first: 10) { id status totalPrice dataPlan { name } esims { iccid } } }",
    "{ myESIMs(first: 1) { id qrCode order { id status } plan { name } } }",
)
COUNTRIES = ("FR", "DE", "GB", "US", "JP", "ES", "IT", "PT", "TR", "TH", "MX", "BR")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
Sample = dict[str, int]


class Mix:
    """Load of one run. Requests that fail are counted, and the first is printed."""

    def __init__(self, machine: Machine, bench: Bench, tokens: list[str], rng: random.Random):
        self._machine = machine
        self._bench = bench
        self._tokens = tokens
        self._rng = rng
        self._iccids: list[str] = []
        self._numbers = itertools.count()
        self.counts = dict.fromkeys(("purchases", "public", "personal", "callbacks", "failed"), 0)

    async def run(self, seconds: float) -> None:
        """Send the mix at fixed rates, however long answers take."""
        end = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for rate, once in (
                (PURCHASES, self._purchase),
                (PUBLIC, self._public),
                (PERSONAL, self._personal),
                (CALLBACKS, self._callback),
            ):
                group.create_task(self._repeat(rate, once, end, group))

    async def _repeat(
        self, rate: float, once: Callable[[], Awaitable[None]], end: float, group: asyncio.TaskGroup
    ) -> None:
        due = time.monotonic()
        while due < end:
            due += self._rng.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(self._once(once))

    async def _once(self, once: Callable[[], Awaitable[None]]) -> None:
        try:
            await once()
        except (RuntimeError, TimeoutError, aiohttp.ClientError) as error:
            if not self.counts["failed"]:
                click.echo(f"failed: {error}")
            self.counts["failed"] += 1

    async def _purchase(self) -> None:
        purchase = {"quantity": 1, "idempotencyKey": f"mixed-{next(self._numbers)}"}
        await self._query(BUY, self._token(), plan=self._bench.plan, input=purchase)
        self.counts["purchases"] += 1

    async def _public(self) -> None:
        query = self._rng.choice((*LISTS, FEATURED))
        if query == LISTS[0]:
            # As people type: mostly prefixes of words, and few twice.
            await self._query(query, None, t="".join(self._rng.choices(LETTERS, k=3)))
        elif query == LISTS[1]:
            await self._query(query, None, t=self._rng.choice(COUNTRIES))
        else:
            await self._query(query, None)
        self.counts["public"] += 1

    async def _personal(self) -> None:
        await self._query(self._rng.choice(PERSONAL_QUERIES), self._token())
        self.counts["personal"] += 1

    async def _callback(self) -> None:
        """Have the sandbox report used data of an eSIM that was sold."""
        if not self._iccids or self.counts["callbacks"] % 100 == 0:
            async with self._machine.database() as connection:
                rows = await connection.fetch(
                    "select iccid from esims.esims order by created_at desc limit 200"
                )
            self._iccids = [row["iccid"] for row in rows]
        if self._iccids:
            iccid = self._rng.choice(self._iccids)
            await self._machine.control("POST", f"/esims/{iccid}/use-data", {"megabytes": 10})
        self.counts["callbacks"] += 1

    def _token(self) -> str:
        return self._rng.choice(self._tokens)

    async def _query(self, query: str, token: str | None, **variables: Any) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._machine.http.post(
            self._machine.gateway_url,
            json={"query": query, "variables": variables},
            headers=headers,
        ) as answer:
            answer.raise_for_status()
            content = await answer.json()
        if content.get("errors"):
            raise RuntimeError(f"the gateway answered {content['errors']}")


async def sample(read_memory: Callable[[], Sample], seconds: float) -> list[tuple[float, Sample]]:
    """Sample the resident memory of each process, by seconds since the start."""
    began, samples = time.monotonic(), []
    while (now := time.monotonic() - began) < seconds:
        samples.append((now, await asyncio.to_thread(read_memory)))
        await asyncio.sleep(SAMPLE_EVERY)
    return samples


async def measure(
    machine: Machine, bench: Bench, minutes: float, read_memory: Callable[[], Sample]
) -> None:
    """Run the mix for so many minutes, and print the memory of each process over time."""
    tokens = [await machine.token(f"mixed-{n}@example.com") for n in range(CUSTOMERS)]
    mix = Mix(machine, bench, tokens, random.Random(1))
    sampling = asyncio.create_task(sample(read_memory, minutes * 60))
    try:
        await mix.run(minutes * 60)
    finally:
        if not sampling.done():
            await asyncio.wait([sampling], timeout=SAMPLE_EVERY)
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            report(await sampling)
    click.echo(", ".join(f"{count} {name}" for name, count in mix.counts.items()))


def report(samples: list[tuple[float, Sample]]) -> None:
    """Print a row for each process: its memory at five times, and the growth in each half."""
    last = len(samples) - 1
    moments = [samples[round(last * part / 4)] for part in range(5)]
    click.echo(
        f"{'MB resident after':<20}"
        + "".join(f"{at / 60:>6.0f} min" for at, _ in moments)
        + f"{'MB a minute, first half':>26}{'last half':>12}"
    )
    for name in samples[-1][1]:
        series = [(at / 60, found[name] / 1e6) for at, found in samples if name in found]
        half = len(series) // 2
        click.echo(
            f"{name:<20}"
            + "".join(f"{found.get(name, 0) / 1e6:>10.1f}" for _, found in moments)
            + f"{slope(series[:half]):>26.2f}{slope(series[half:]):>12.2f}"
        )


def slope(series: list[tuple[float, float]]) -> float:
    """Return the slope of a least-squares line through the points."""
    if len(series) < 2:
        return 0.0
    mean_x = sum(x for x, _ in series) / len(series)
    mean_y = sum(y for _, y in series) / len(series)
    spread = sum((x - mean_x) ** 2 for x, _ in series)
    return sum((x - mean_x) * (y - mean_y) for x, y in series) / spread
