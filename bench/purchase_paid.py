"""What the platform adds to a purchase that is paid by card, beyond the latency of both providers.

Counted are the request that starts the purchase, and the time from the buyer's payment until the order is
COMPLETED. The buyer's own time at the payment provider is not.
"""

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import click

from bench.purchase import SETTINGS, Bench, open_shop, percentile
from tests.chaos.purchase.machine import running

PURCHASES, WARM_UP, TURN = 200, 20, 10
PAID = {"PAYMENTS": "required"}
KEY = "sk_test_sandbox"
VERSION = "2026-10-28.endive"
BUY = """mutation($plan: ID!, $input: PurchaseInput!) {
  purchaseESIM(planId: $plan, input: $input) { order { id payment { clientSecret } } } }"""
COMPLETED = "select status = 'COMPLETED' from orders.esim_orders where id = $1::text::uuid"


@dataclass(slots=True)
class Completions:
    """Listens for changes of orders, and records when each is completed."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        await self.connection.add_listener("esimgo_orders", lambda *_: self.changed.set())

    async def wait(self, order_id: str) -> float:
        """Return when the order was seen as completed."""
        while True:
            self.changed.clear()
            if await self.connection.fetchval(COMPLETED, order_id):
                return time.perf_counter()
            await self.changed.wait()


async def paid(bench: Bench, completions: Completions, number: int) -> float:
    """Buy and pay one eSIM; return the seconds that count."""
    machine = bench.machine
    input_ = {
        "quantity": 1,
        "idempotencyKey": f"paid-{number}",
        "payment": {"method": "CARD"},
    }
    body = {"query": BUY, "variables": {"plan": bench.plan, "input": input_}}
    headers = {"Authorization": f"Bearer {bench.token}"}
    began = time.perf_counter()
    async with machine.http.post(machine.gateway_url, json=body, headers=headers) as answer:
        order = (await answer.json())["data"]["purchaseESIM"]["order"]
    started = time.perf_counter() - began
    intent = order["payment"]["clientSecret"].split("_secret_")[0]
    await machine.payments("POST", f"/payment_intents/{intent}/pay", {"card": "pm_card_visa"})
    began = time.perf_counter()
    return started + await completions.wait(order["id"]) - began


async def _directly(bench: Bench, number: int) -> float:
    """Make only the calls to both providers that such a purchase needs; return their seconds.

    As the price is fixed once it is paid, its cost is confirmed right before the purchase.
    """
    machine, base = bench.machine, f"{bench.machine.payments_url}/v1/payment_intents"
    amount = {
        "amount": "500",
        "currency": "usd",
        "capture_method": "manual",
        "allowed_payment_method_types[]": "card",
    }
    began = time.perf_counter()
    intent = (await _call(machine.http, "POST", base, amount))["id"]
    spent = time.perf_counter() - began
    await machine.payments("POST", f"/payment_intents/{intent}/pay", {"card": "pm_card_visa"})
    began = time.perf_counter()
    await _call(machine.http, "GET", f"{base}/{intent}")
    await bench.directly(number, "validate")
    await bench.directly(number)
    await _call(machine.http, "POST", f"{base}/{intent}/capture", {})
    return spent + time.perf_counter() - began


async def _call(http: aiohttp.ClientSession, method: str, url: str, data: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {KEY}", "Stripe-Version": VERSION}
    async with http.request(method, url, data=data, headers=headers) as answer:
        content = await answer.json()
        if answer.status != 200:
            raise RuntimeError(f"{method} {url}: {content}")
        return content


async def measure() -> None:
    """Print how long purchases and the providers' part of them take, in turns."""
    async with running(SETTINGS | PAID) as machine, machine.database() as connection:
        bench, numbers = await open_shop(machine), itertools.count()
        completions = Completions(connection)
        await completions.listen()
        for _ in range(WARM_UP):
            await paid(bench, completions, next(numbers))
            await _directly(bench, next(numbers))
        direct: list[float] = []
        platform: list[float] = []
        for _ in range(PURCHASES // TURN):
            direct += [await _directly(bench, next(numbers)) for _ in range(TURN)]
            platform += [await paid(bench, completions, next(numbers)) for _ in range(TURN)]
    title = f"milliseconds, {PURCHASES} purchases by card, 1 buyer"
    click.echo(f"\n{title:<52}{'p50':>8}{'p99':>8}")
    rows = [("both providers", direct), ("platform, without the buyer's own time", platform)]
    for name, times in rows:
        click.echo(f"{name:<52}{percentile(times, 50):>8.1f}{percentile(times, 99):>8.1f}")
    added = [percentile(platform, p) - percentile(direct, p) for p in (50, 99)]
    click.echo(f"{'added':<52}{added[0]:>8.1f}{added[1]:>8.1f}")


if __name__ == "__main__":
    asyncio.run(measure())
