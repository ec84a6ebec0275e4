"""Rate of acknowledged callbacks, also while the esims service is unavailable, and its catching up.

`make bench-callbacks` uses one machine, real processes and a PostgreSQL that waits for its disk. For
comparison, it measures how many rows of that size the same server commits one by one.
"""

import asyncio
import itertools
import os
import platform
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import click

from tests.chaos.callbacks.events import CallbackGenerator
from tests.chaos.callbacks.run import PENDING, SETTINGS, open_testbed
from tests.chaos.callbacks.scenario import create_scenario
from tests.chaos.callbacks.sender import CallbackSender
from tests.chaos.callbacks.testbed import Testbed

DATABASE = "bench"
ESIMS, ORDERS = 50, 5
# More than any machine acknowledges.
MOST_A_SECOND = 3_000
INSERT = "insert into bench_rows (body) values ($1)"


@dataclass(slots=True)
class Measured:
    """Durations of the steps of one measurement, in seconds."""

    name: str
    seconds: float
    waits: list[float] = field(default_factory=list)

    def line(self) -> str:
        waits = sorted(self.waits)
        p50, p99 = (waits[int(share * (len(waits) - 1))] * 1000 for share in (0.5, 0.99))
        rate = len(waits) / self.seconds
        return f"{self.name:<58}{rate:>9,.0f}{p50:>9.1f}{p99:>9.1f}"


@click.command()
@click.option("--seconds", default=300.0, show_default=True, help="Without the esims service.")
@click.option("--rate", default=50.0, show_default=True, help="Callbacks a second meanwhile.")
@click.option("--burst", default=10.0, show_default=True, help="Seconds at full speed, each.")
def main(seconds: float, rate: float, burst: float) -> None:
    """Measure, and print the table."""
    asyncio.run(_bench(seconds, rate, burst))


async def _bench(seconds: float, rate: float, burst: float) -> None:
    click.echo(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    testbed = await open_testbed(1, durable=True)
    try:
        await testbed.make_database(DATABASE)
        await testbed.start(("catalogue", "esims", "orders"), DATABASE, settings=SETTINGS)
        scenario = await create_scenario(testbed, DATABASE, ESIMS, ORDERS)
        await testbed.stop()
        await testbed.start(("esims", "orders", "webhooks"), DATABASE, settings=SETTINGS)
        count = round(seconds * rate + 4 * burst * MOST_A_SECOND)
        began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=12)
        bodies = iter(
            [c.body for c in CallbackGenerator(scenario, random.Random(1), began).generate(count)]
        )
        await _measure(testbed, bodies, seconds, rate, burst)
    finally:
        await testbed.close()


async def _measure(
    testbed: Testbed, bodies: Iterator[bytes], seconds: float, rate: float, burst: float
) -> None:
    sender = CallbackSender(
        f"http://{testbed.address('webhooks')}/webhooks/esim-go",
        testbed.sandbox.world.settings.api_key,
        testbed.http,
    )
    admin = await asyncpg.connect(testbed.url(DATABASE))
    await admin.execute("create table bench_rows (id bigserial primary key, body bytea not null)")
    click.echo(f"{'':<58}{'per s':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for workers in (1, 16):
        plain = await _plain_commits(testbed, bodies, burst, workers)
        click.echo(plain.line())
        both = await _full_speed(sender, bodies, burst, workers, "esims running")
        click.echo(both.line())
        await _drained(admin)
    await testbed.processes["esims"].shut_down()
    alone = await _full_speed(sender, bodies, burst, 16, "esims stopped")
    click.echo(alone.line())
    click.echo((await _steady(sender, bodies, seconds, rate)).line())
    waiting = await admin.fetchval(PENDING)
    clock = asyncio.get_running_loop().time
    returned = clock()
    await testbed.processes["esims"].start_again()
    started = clock() - returned
    await _drained(admin)
    took = clock() - returned
    click.echo(f"backlog at its return: {waiting:,}; the service took {started:.1f} s to start")
    click.echo(f"drained {took:.1f} s after its return: {waiting / took:,.0f} a second")
    if sender.statuses:
        click.echo(f"answers other than 2xx: {sender.statuses}")
    await admin.close()


async def _plain_commits(
    testbed: Testbed, bodies: Iterator[bytes], seconds: float, workers: int
) -> Measured:
    """Commit one row at a time, as fast as the server can."""
    sample = list(itertools.islice(bodies, 200))
    connections = [await asyncpg.connect(testbed.url(DATABASE)) for _ in range(workers)]
    found = Measured(f"one row, one commit; {workers} connections", seconds)

    async def insert(worker: int) -> None:
        await connections[worker].execute(INSERT, random.choice(sample))

    await _repeat(insert, found, workers)
    for connection in connections:
        await connection.close()
    return found


async def _full_speed(
    sender: CallbackSender, bodies: Iterator[bytes], seconds: float, workers: int, state: str
) -> Measured:
    """Let each worker post the next callback when the last one was answered."""
    found = Measured(f"acknowledged; {workers} connections, {state}", seconds)

    async def one(_worker: int) -> None:
        if not await sender.post(next(bodies)):
            raise RuntimeError(f"a callback was not acknowledged: {sender.statuses}")

    await _repeat(one, found, workers)
    return found


async def _repeat(step: Callable[[int], Awaitable[None]], found: Measured, workers: int) -> None:
    clock = asyncio.get_running_loop().time
    begun = clock()

    async def work(worker: int) -> None:
        while (started := clock()) - begun < found.seconds:
            await step(worker)
            found.waits.append(clock() - started)

    await asyncio.gather(*(work(worker) for worker in range(workers)))
    found.seconds = clock() - begun


async def _steady(
    sender: CallbackSender, bodies: Iterator[bytes], seconds: float, rate: float
) -> Measured:
    """Post at a fixed rate, whether or not earlier callbacks were answered."""
    clock = asyncio.get_running_loop().time
    begun, before = clock(), len(sender.latencies)
    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds * rate)):
            if (early := begun + number / rate - clock()) > 0:
                await asyncio.sleep(early)
            group.create_task(sender.post(next(bodies)))
    name = f"acknowledged; {rate:g} a second for {seconds:g} s, esims stopped"
    return Measured(name, clock() - begun, sender.latencies[before:])


async def _drained(admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    while await admin.fetchval(PENDING):  # noqa: ASYNC110 - it is a row that we wait for
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    main()
