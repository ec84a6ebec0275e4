"""Memory of each process, idle and under load, and what orders, eSIMs and callbacks take in the database.

`make bench-memory`: one machine, real processes, the sandbox as the provider. ORDERS is how many are bought;
with MINUTES a mixed load of so long runs instead, and memory over that time is printed.
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
# Seconds for what a start leaves behind (the first sync, compiled plans) to settle.
REST = 5.0
# Seconds between two looks; reading the proportional share walks all pages of a process.
LOOK_EVERY = 1.0
LIST = "{ dataPlans(first: 20) { id name price countries { name iso region } } }"
# Of every two purchases one list of plans, as people look before they buy.
LISTS_OF_EACH = 2
RATES = ("USER_RATE", "ADDRESS_RATE", "USER_WORK", "ADDRESS_WORK")
SETTINGS = {"LOG_LEVEL": "warning"} | {f"GATEWAY_{rate}": "0" for rate in RATES}
# Everything of a table: its rows, what is too long for them, and its indexes.
SIZES = """
select schemaname || '.' || relname as name, n_live_tup as rows,
    pg_total_relation_size(relid) as bytes, pg_indexes_size(relid) as indexes
from pg_stat_user_tables
where schemaname in ('orders', 'esims', 'webhooks') and n_live_tup > 0 order by 1
"""


@dataclass(slots=True)
class Taken:
    """Bytes of one process: all that it holds, and its share where others hold the same pages."""

    resident: int = 0
    share: int = 0

    def most(self, other: "Taken") -> "Taken":
        return Taken(max(self.resident, other.resident), max(self.share, other.share))


def look() -> dict[str, Taken]:
    """What each of the platform's processes takes now, by its module."""
    found = {}
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, ValueError):
            words = child.cmdline()
            memory = child.memory_full_info()
            found[words[words.index("-m") + 1]] = Taken(memory.rss, memory.pss)
    return found


async def watch(peaks: dict[str, Taken], stop: asyncio.Event) -> None:
    """Keeps the most that each took until the stop."""
    while not stop.is_set():
        for name, taken in (await asyncio.to_thread(look)).items():
            peaks[name] = peaks.get(name, Taken()).most(taken)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK_EVERY)


async def load(bench: Bench, orders: int) -> None:
    """So many purchases and lists of plans, by buyers who don't pause, then some use of each eSIM."""
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
    """Has the sandbox tell of every eSIM's first use, and waits until all of it was handed over."""
    async with machine.database() as connection:
        iccids = [row["iccid"] for row in await connection.fetch("select iccid from esims.esims")]
        for iccid in iccids:
            await machine.control("POST", f"/esims/{iccid}/use-data", {"megabytes": 100})
        before = -1
        for _ in itertools.count():
            handed = await connection.fetchval(
                "select count(*) from webhooks.deliveries where state <> 'PENDING'"
            )
            if handed == before and handed > 0:
                return
            before = handed
            await asyncio.sleep(REST)


async def sizes(machine: Machine, orders: int) -> None:
    """Prints what each table takes, for a row and for an order."""
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
        idle = look()
        peaks: dict[str, Taken] = {}
        stop = asyncio.Event()
        watching = asyncio.create_task(watch(peaks, stop))
        await load(bench, orders)
        await use_data(machine)
        stop.set()
        await watching
        after = look()
        click.echo(
            f"{'MB':<20}{'idle':>8}{'share':>8}{'most':>8}{'share':>8}{'after':>8}{'share':>8}"
        )
        for name, taken in idle.items():
            columns = [taken, peaks[name], after[name]]
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
            lambda: {name: taken.resident for name, taken in look().items()},
        )


def main() -> None:
    """Prints both tables, or with MINUTES that of the mixed load."""
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
