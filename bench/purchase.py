"""Overhead of the platform in a purchase: time with 1 and 16 buyers, SQL statements, RPCs.

`make bench-purchase` uses one machine, real processes and the sandbox as the provider. Beside each time, it
prints how long the sandbox takes when it is called directly in the same run.
"""

import asyncio
import itertools
import os
import platform
import re
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import click

from bench.counting import MARK
from tests.chaos.purchase.buyers import BUY, Buyers
from tests.chaos.purchase.machine import Machine, running

PLAN = "esim_1GB_7D_GB_V2"
FIND = '{ dataPlans(filter: {text: "esim_1GB_7D_GB_V2"}) { id name } }'
# Seconds that the provider takes in the second half, typical of such an API.
PROVIDER_SECONDS = 0.3
WARM_UP = 20
# Both variants alternate, so that other work on the machine affects both alike.
TURNS = 5
# Purchases that are counted, one by one, and seconds without purchases, to count background work.
COUNTED, IDLE_SECONDS = 50, 10
# The log's first line of a statement; most are longer, and begin with a line break.
LOGGED = re.compile(r"esimgo-(?P<owner>\w+)\| LOG: +(?P<how>execute|statement)\b")
LOGGING = ("log_line_prefix=%a| ",)
COUNTING = {
    name: f"bench.counting {module}"
    for name, module in (
        ("catalogue", "services.catalogue"),
        ("esims", "services.esims"),
        ("orders", "services.orders"),
    )
}
# One account buys for all, so it has no limits.
SETTINGS = {"LOG_LEVEL": "warning", "ORDERS_MAX_UNFINISHED": "100000"}
Buy = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Bench:
    """A platform, its provider, and a customer who buys."""

    machine: Machine
    plan: str
    token: str

    async def through_platform(self, number: int) -> None:
        """Buy as a client does; raise RuntimeError unless the order is COMPLETED at once."""
        body = {
            "query": BUY,
            "variables": {
                "plan": self.plan,
                "input": {"quantity": 1, "idempotencyKey": f"bench-{number}"},
            },
        }
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.machine.http.post(
            self.machine.gateway_url, json=body, headers=headers
        ) as answer:
            content = await answer.json()
        if content["data"]["purchaseESIM"]["order"]["status"] != "COMPLETED":
            raise RuntimeError(f"not bought: {content}")

    async def directly(self, number: int, kind: str = "transaction") -> None:
        """Make only the call to the provider that such a purchase needs, or that confirms its price."""
        line = {"type": "bundle", "item": PLAN, "quantity": 1, "allowReassign": False}
        async with self.machine.http.post(
            f"{self.machine.sandbox_url}/v2.5/orders",
            json={"type": kind, "assign": True, "order": [line]},
            headers={"X-API-Key": self.machine.api_key},
        ) as answer:
            answer.raise_for_status()
            await answer.read()


async def _times(buy: Buy, numbers: "itertools.count[int]", buyers: int, count: int) -> list[float]:
    """Return the seconds of each purchase, by buyers who don't pause."""
    found: list[float] = []
    remaining = itertools.islice(numbers, count)

    async def buyer() -> None:
        for number in remaining:
            began = time.perf_counter()
            await buy(number)
            found.append(time.perf_counter() - began)

    await asyncio.gather(*(buyer() for _ in range(buyers)))
    return found


def percentile(times: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return statistics.quantiles(times, n=100)[percent - 1] * 1000


async def open_shop(machine: Machine) -> Bench:
    """Prepare a platform without limits, a plan and a customer."""
    await machine.control("POST", "/switches", {"tokens_per_second": 0})
    await machine.control("POST", "/balance", {"set": 10_000_000})
    token = await machine.token("bench@example.com")
    await Buyers(machine, [token], 1).plans(1)
    async with machine.http.post(machine.gateway_url, json={"query": FIND}) as answer:
        plans = (await answer.json())["data"]["dataPlans"]
    return Bench(machine, next(p["id"] for p in plans if p["name"] == PLAN), token)


async def _measure(purchases: int) -> None:
    click.echo(
        f"{'milliseconds, ' + str(purchases) + ' purchases each':<36}{'provider':>16}{'platform':>16}"
        f"{'added':>16}{'a second':>10}\n{'':<36}{'p50':>8}{'p99':>8}{'p50':>8}{'p99':>8}{'p50':>8}{'p99':>8}"
    )
    async with running(SETTINGS) as machine:
        bench, numbers = await open_shop(machine), itertools.count()
        await _times(bench.through_platform, numbers, 4, WARM_UP)
        await _times(bench.directly, numbers, 4, WARM_UP)
        for seconds in (0.0, PROVIDER_SECONDS):
            if seconds:
                slow = {"path": "/orders", "delay_seconds": seconds, "count": 0}
                await machine.control("POST", "/faults", slow)
            for buyers in (1, 16):
                direct: list[float] = []
                bought: list[float] = []
                busy = 0.0
                for _ in range(TURNS):
                    count = purchases // TURNS
                    direct += await _times(bench.directly, numbers, buyers, count)
                    began = time.perf_counter()
                    bought += await _times(bench.through_platform, numbers, buyers, count)
                    busy += time.perf_counter() - began
                rate = len(bought) / busy
                figures = [
                    percentile(direct, 50),
                    percentile(direct, 99),
                    percentile(bought, 50),
                    percentile(bought, 99),
                ]
                figures += [figures[2] - figures[0], figures[3] - figures[1]]
                title = f"{buyers} buyers, provider {'+' if seconds else 'at once'}"
                title += f"{seconds * 1000:.0f} ms" if seconds else ""
                click.echo(
                    f"{title:<36}" + "".join(f"{f:>8.1f}" for f in figures) + f"{rate:>10.1f}"
                )


async def _count() -> None:
    """Print the statements and calls of a purchase, without those of background work."""
    async with running(SETTINGS, modules=COUNTING, postgres_options=LOGGING) as machine:
        bench, numbers = await open_shop(machine), itertools.count()
        await _times(bench.through_platform, numbers, 1, WARM_UP)
        await log_statements(machine)
        await _times(
            bench.through_platform, numbers, 1, WARM_UP
        )  # new connections and statement plans
        idle = await counted(machine, lambda: asyncio.sleep(IDLE_SECONDS))
        began = time.perf_counter()
        busy = await counted(machine, lambda: _times(bench.through_platform, numbers, 1, COUNTED))
        share = (time.perf_counter() - began) / IDLE_SECONDS
    click.echo(f"\n{'a purchase of one eSIM makes':<64}{'count':>8}")
    for name in sorted(busy):
        each = (busy[name] - idle[name] * share) / COUNTED
        if each >= 0.05:  # less is occasional
            click.echo(f"{name:<64}{each:>8.1f}")


async def log_statements(machine: Machine) -> None:
    """Have the database log every statement of the services, on connections opened from now on."""
    async with machine.database() as connection:
        for owner in ("catalogue", "esims", "orders"):
            for setting in ("log_statement = 'all'", "log_min_messages = 'log'"):
                await connection.execute(f"alter role {owner}_service set {setting}")
    await machine.cut_database()


async def counted(machine: Machine, work: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Count the calls that the services served and their statements during `work`, by name."""
    before = len(machine.log.path.read_text())
    await work()
    await asyncio.sleep(1)  # seconds until the last lines have been written
    found: Counter[str] = Counter()
    for line in machine.log.path.read_text()[before:].splitlines():
        if match := LOGGED.search(line):
            control = match["how"] == "statement"
            what = "transaction and pool commands" if control else "SQL statements"
            found[f"{what} of {match['owner']}"] += 1
        elif MARK in line:
            found[f"RPC {line.split(MARK)[1].strip()}"] += 1
    return found


@click.command()
@click.option("--purchases", default=300, show_default=True, help="In each row of the table.")
def main(purchases: int) -> None:
    """Print the overhead of the platform in a purchase."""
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}"
    )
    asyncio.run(_measure(purchases))
    asyncio.run(_count())


if __name__ == "__main__":
    main()
