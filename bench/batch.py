"""What a batch costs: its validation, its acceptance, memory of the orders process, and lists of many eSIMs.

`make bench-batch` runs the platform as processes with the sandbox as the provider. ITEMS is the number of
eSIMs in the batch, two in each row, of fifty plans. ESIMS is how many eSIMs the organization lists by page.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import click
import grpc
import psutil

from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from protos.orders.v1 import batches_pb2
from tests.chaos.batch import company
from tests.chaos.batch.company import Company
from tests.chaos.purchase.buyers import Buyers
from tests.chaos.purchase.machine import Machine, running

PLANS, EACH = 50, 2
ROUNDS = 5
PAGE = 50
# Pages of the list: the first one, and others further down.
PAGES = 100
# Seconds in which the batch is bought while memory is sampled, and between two samples.
WATCHED, EVERY = 20.0, 0.2
MB = 2**20
# What each measurement has to stay below: milliseconds, and megabytes.
BOUNDS = {
    "validated in": 2000.0,
    "accepted in": 5000.0,
    "memory of the orders process grew by": 100.0,
    "page of the organization's eSIMs in": 50.0,
}
FILL = """
insert into esims.esims (iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status,
    matching_id, smdp_address, assigned_date, organization_id, created_at, state_read_at, bundles_read_at)
select (8900000000000000000 + n)::text, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    'bench-' || n, 'bench', 'ASSIGNED', 'bench', 'bench.example.com', now(), $1::text::uuid,
    now() - n * interval '1 second', now(), now()
from generate_series(1, $2::int) n
"""
# Others have as many: the list must not read them.
OTHERS = """
insert into esims.esims (iccid, customer_id, order_id, plan_id, order_reference, bundle_name, status,
    matching_id, smdp_address, assigned_date, created_at, state_read_at, bundles_read_at)
select (8910000000000000000 + n)::text, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
    'other-' || n, 'bench', 'ASSIGNED', 'bench', 'bench.example.com', now(),
    now() - n * interval '1 second', now(), now()
from generate_series(1, $1::int) n
"""


@click.command()
@click.option("--items", envvar="ITEMS", default=2000, help="eSIMs of the batch, two in each row.")
@click.option("--esims", envvar="ESIMS", default=100_000, help="eSIMs of the organization.")
def main(items: int, esims: int) -> None:
    """Measure what a batch costs, and exit with 1 if a bound is exceeded."""
    sys.exit(asyncio.run(_main(items, esims)))


async def _main(items: int, esims: int) -> int:
    settings = {"LOG_LEVEL": "warning", "PAYMENTS": "off"}
    async with running(settings, killable=("orders", "esims"), say=click.echo) as machine:
        await machine.control("POST", "/switches", {"tokens_per_second": 0})
        await machine.control("POST", "/balance", {"set": 10_000_000})
        buyers = Buyers(machine, [await machine.token("somebody@example.com")], 1)
        plans = await buyers.plans(PLANS)
        async with grpc.aio.insecure_channel(machine.addresses["orders"]) as channel:
            acme = await company.create(machine, channel)
            rows = [
                batches_pb2.BatchItemInput(
                    plan_id=plans[n % PLANS].id,
                    quantity=EACH,
                    traveler=batches_pb2.BatchTraveler(
                        name=f"Zoë Müller {n}", email=f"zoe{n}@example.com"
                    ),
                )
                for n in range(items // EACH)
            ]
            found = await _batch(acme, rows)
        found["page of the organization's eSIMs in"] = await _pages(machine, acme, esims)
    return _report(found)


async def _batch(acme: Company, rows: list[batches_pb2.BatchItemInput]) -> dict[str, float]:
    """Validate and create the batch, and watch the memory of the orders process meanwhile."""
    batch = batches_pb2.BatchInput(organization_id=acme.id, items=rows)
    process = _orders_process()

    async def validate() -> None:
        request = batches_pb2.ValidateBatchRequest(batch=batch)
        answer = await acme.call(acme.batches.ValidateBatch, request)
        if not answer.acceptable or answer.invalid_rows:
            raise RuntimeError(f"the batch is not valid: {answer.problems}")

    async def create() -> None:
        request = batches_pb2.CreateBatchRequest(batch=batch, idempotency_key=str(uuid.uuid4()))
        created.append((await acme.call(acme.batches.CreateBatch, request)).batch.id)

    created: list[str] = []
    await acme.budget()  # the first call opens connections
    before = process.memory_info().rss
    validated = [await _timed(validate) for _ in range(ROUNDS)]
    accepted = [await _timed(create) for _ in range(ROUNDS)]
    peak = process.memory_info().rss
    ends = time.monotonic() + WATCHED
    while time.monotonic() < ends:
        await acme.get(created[0])
        await acme.items(created[0])
        peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(EVERY)
    for batch_id in created:
        request = batches_pb2.CancelBatchRequest(batch_id=batch_id)
        await acme.call(acme.batches.CancelBatch, request)
    return {
        "validated in": max(validated),
        "accepted in": max(accepted),
        "memory of the orders process grew by": (peak - before) / MB,
    }


async def _pages(machine: Machine, acme: Company, esims: int) -> float:
    """Return how long a page of the organization's eSIMs takes: the 99th of 100 pages, in milliseconds."""
    async with machine.database() as connection:
        await connection.execute(FILL, acme.id, esims, timeout=300)
        await connection.execute(OTHERS, esims, timeout=300)
        await connection.execute("analyze esims.esims")
    found = []
    async with grpc.aio.insecure_channel(machine.addresses["esims"]) as channel:
        stub = esims_pb2_grpc.ESIMsServiceStub(channel)
        token = ""
        for _ in range(PAGES + 1):
            request = esims_pb2.ListESIMsRequest(
                filter=esims_pb2.ESIMFilter(organization_id=acme.id),
                page_size=PAGE,
                page_token=token,
            )
            began = time.perf_counter()
            page = await company.call(stub.ListESIMs, request, acme.manager)
            found.append((time.perf_counter() - began) * 1000)
            if len(page.esims) != PAGE:
                raise RuntimeError(f"a page has {len(page.esims)} eSIMs")
            token = page.next_page_token
    # The first call opens connections.
    return sorted(found[1:])[PAGES * 99 // 100 - 1]


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return (time.perf_counter() - began) * 1000


def _orders_process() -> psutil.Process:
    return next(
        child for child in psutil.Process().children() if "services.orders" in child.cmdline()
    )


def _report(found: dict[str, float]) -> int:
    """Print the table; returns the exit status."""
    failed = False
    for name, value in found.items():
        bound = BOUNDS[name]
        failed = failed or value >= bound
        unit = "MB" if "memory" in name else "ms"
        click.echo(
            f"{name:<45} {value:>8.0f} {unit}   (bound {bound:.0f}) {'' if value < bound else 'EXCEEDED'}"
        )
    return int(failed)


if __name__ == "__main__":
    main(prog_name="bench-batch")
