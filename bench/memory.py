"""Memory of each process, idle and under load, and storage of orders, eSIMs and callbacks.

`make bench-memory` uses one machine, real processes and the sandbox as the provider. ORDERS is the number of
orders. With MINUTES, a mixed load runs for that time instead, and memory over time is printed.
"""

import asyncio
import itertools
import os
import platform
from contextlib import suppress
from dataclasses import dataclass

import click
import psutil

from bench import memory_mixed
from bench.purchase import Bench, open_shop
from tests.chaos.purchase.machine import Machine, running

BUYERS = 8
# Seconds for the work of a start (the first sync, compiled plans) to end.
REST = 5.0
# Seconds between two samples; reading the proportional share walks all pages of a process.
SAMPLE_INTERVAL = 1.0
LIST = "{ dataPlans(first: 20) { id name price countries { name iso region } } }"
# Lists of plans for each purchase, as people browse before they buy.
LISTS_OF_EACH = 2
RATES = ("USER_RATE", "ADDRESS_RATE", "USER_WORK", "ADDRESS_WORK")
SETTINGS = {"LOG_LEVEL": "warning"} | {f"GATEWAY_{rate}": "0" for rate in RATES}
# All storage of a table: rows, oversized values and indexes.
SIZES = """
select schemaname || '.' || relname as name, n_live_tup as rows,
    pg_total_relation_size(relid) as bytes, pg_indexes_size(relid) as indexes
from pg_stat_user_tables
where schemaname in ('orders', 'esims', 'webhooks') and n_live_tup > 0 order by 1
"""


@dataclass(slots=True)
class Usage:
    """Bytes of one process: resident, and its proportional share of pages that others also use."""

    resident: int = 0
    share: int = 0

    def maximum(self, other: "Usage") -> "Usage":
        return Usage(max(self.resident, other.resident), max(self.share, other.share))


def sample() -> dict[str, Usage]:
    """Return the memory of each of the platform's processes by module."""
    found = {}
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, ValueError):
            arguments = child.cmdline()
            memory = child.memory_full_info()
            found[arguments[arguments.index("-m") + 1]] = Usage(memory.rss, memory.pss)
    return found


async def watch(peaks: dict[str, Usage], stop: asyncio.Event) -> None:
    """Record the peak of each process until the stop."""
    while not stop.is_set():
        for name, usage in (await asyncio.to_thread(sample)).items():
            peaks[name] = peaks.get(name, Usage()).maximum(usage)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), SAMPLE_INTERVAL)


async def load(bench: Bench, orders: int) -> None:
    """Buy and list plans, by buyers who don't pause."""
    numbers = iter(range(orders))

    async def buyer() -> None:
        for number in numbers:
            await bench.through_platform(number)
            for _ in range(LISTS_OF_EACH):
                async with bench.machine.http.post(
                    bench.machine.gateway_url, json={"query": LIST}
                ) as answer:
                    answer.raise_for_status()
                    await answer.read()

    await asyncio.gather(*(buyer() for _ in range(BUYERS)))


async def use_data(machine: Machine) -> None:
    """Have the sandbox report the first use of every eSIM, and wait until all callbacks are delivered."""
    async with machine.database() as connection:
        iccids = [row["iccid"] for row in await connection.fetch("select iccid from esims.esims")]
        for iccid in iccids:
            await machine.control("POST", f"/esims/{iccid}/use-data", {"megabytes": 100})
        before = -1
        for _ in itertools.count():
            delivered = await connection.fetchval(
                "select count(*) from webhooks.deliveries where state <> 'PENDING'"
            )
            if delivered == before and delivered > 0:
                return
            before = delivered
            await asyncio.sleep(REST)


async def sizes(machine: Machine, orders: int) -> None:
    """Print the storage of each table, for a row and for an order."""
    async with machine.database() as connection:
        await connection.execute("vacuum analyze")
        rows = await connection.fetch(SIZES)
    click.echo(f"\n{'bytes':<28}{'rows':>9}{'a row':>9}{'indexes':>9}{'an order':>10}")
    for row in rows:
        click.echo(
            f"{row['name']:<28}{row['rows']:>9}{row['bytes'] / row['rows']:>9,.0f}"
            f"{row['indexes'] / row['rows']:>9,.0f}{row['bytes'] / orders:>10,.0f}"
        )
    click.echo(f"{'all':<28}{'':>27}{sum(row['bytes'] for row in rows) / orders:>10,.0f}")


async def measure(orders: int) -> None:
    async with running(SETTINGS) as machine:
        bench = await open_shop(machine)
        await asyncio.sleep(REST)
        idle = sample()
        peaks: dict[str, Usage] = {}
        stop = asyncio.Event()
        watching = asyncio.create_task(watch(peaks, stop))
        await load(bench, orders)
        await use_data(machine)
        stop.set()
        await watching
        after = sample()
        click.echo(
            f"{'MB':<20}{'idle':>8}{'share':>8}{'peak':>8}{'share':>8}{'after':>8}{'share':>8}"
        )
        for name, usage in idle.items():
            columns = [usage, peaks[name], after[name]]
            click.echo(
                f"{name:<20}"
                + "".join(f"{c.resident / 1e6:>8.0f}{c.share / 1e6:>8.0f}" for c in columns)
            )
        await sizes(machine, orders)


async def measure_mixed(minutes: float) -> None:
    async with running(SETTINGS) as machine:
        bench = await open_shop(machine)
        await memory_mixed.measure(
            machine,
            bench,
            minutes,
            lambda: {name: usage.resident for name, usage in sample().items()},
        )


def main() -> None:
    """Print both tables, or with MINUTES that of the mixed load."""
    if minutes := float(os.environ.get("MINUTES", "0")):
        asyncio.run(measure_mixed(minutes))
        return
    orders = int(os.environ.get("ORDERS", "500"))
    click.echo(
        f"{orders} orders of one eSIM by {BUYERS} buyers; {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, load {os.getloadavg()[0]:.0f}"
    )
    asyncio.run(measure(orders))


if __name__ == "__main__":
    main()
