"""What recording sales adds to a purchase: the same purchases with and without the triggers, in turns."""

import itertools
import json
import random
import statistics
import time
import uuid
from decimal import Decimal
from typing import Any

import asyncpg
import click

from bench.purchase import open_shop, percentile
from bench.purchase_paid import Completions, paid
from services.orders.books import store
from services.orders.books.posting import (
    COST,
    DEPOSITS,
    PROVIDER,
    REVENUE,
    Entry,
    Posting,
    PostingKind,
)
from tests.chaos.purchase.machine import Machine

WARM_UP, TURN = 20, 10
# Transactions that post a sale, without a purchase around them.
POSTED, POSTED_TURN = 1000, 25
# Samples drawn again to estimate by how much the difference is uncertain.
DRAWS = 300
TRIGGERS = "alter table orders.ledger_transactions {} trigger {}"
NAMES = ("remember_posted", "record_sales")
ORDERS = "select id from orders.esim_orders where status = 'COMPLETED' order by created_at"
Times = dict[bool, list[float]]
PRICE, SPENT, CURRENCY = Decimal("4.90"), Decimal("3.20"), "USD"


async def measure(machine: Machine, purchases: int, bound: float) -> bool:
    """Print what the triggers add to purchases by card, and to a commit; True if that exceeds the bound."""
    purchased = await _purchased(machine, purchases)
    posted = await _posted(machine)
    click.echo(f"{'milliseconds, in turns':<44}{'without':>10}{'with':>10}{'added':>10}")
    failed = False
    for name, times in (
        (f"{purchases} purchases by card, 1 buyer", purchased),
        (f"{POSTED} transactions that post a sale", posted),
    ):
        for percent in (50, 99):
            without, recorded = (percentile(times[which], percent) for which in (False, True))
            note = ""
            if percent == 50:
                error = _error(times)
                exceeded = recorded - without - error > bound
                failed = failed or exceeded
                note = f" +- {error:.2f}   (bound {bound:.1f}){' EXCEEDED' if exceeded else ''}"
            click.echo(
                f"{name + f', p{percent}':<44}{without:>10.2f}{recorded:>10.2f}"
                f"{recorded - without:>10.2f}{note}"
            )
    return failed


def _error(times: Times) -> float:
    """Return twice the standard error of the difference of the medians, in milliseconds."""
    draw = random.Random(1)

    def median(recorded: bool) -> float:
        return statistics.median(draw.choices(times[recorded], k=len(times[recorded])))

    return 2000 * statistics.stdev(median(True) - median(False) for _ in range(DRAWS))


async def _purchased(machine: Machine, purchases: int) -> Times:
    """Return the seconds of purchases by card with the triggers and without them."""
    bench, numbers = await open_shop(machine), itertools.count()
    found: Times = {True: [], False: []}
    async with machine.database() as connection, machine.database() as admin:
        completions = Completions(connection)
        await completions.listen()
        for _ in range(WARM_UP):
            await paid(bench, completions, next(numbers))
        for _ in range(purchases // TURN):
            for recorded in (True, False):
                await _switch(admin, recorded)
                found[recorded] += [
                    await paid(bench, completions, next(numbers)) for _ in range(TURN)
                ]
        await _switch(admin, True)
    return found


async def _posted(machine: Machine) -> Times:
    """Return the seconds of transactions that do nothing but post a sale and its cost."""
    found: Times = {True: [], False: []}
    async with (
        asyncpg.create_pool(machine.database_url, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
    ):
        await connection.set_type_codec(
            "jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )
        orders = itertools.cycle([row["id"] for row in await connection.fetch(ORDERS)])
        for _ in range(POSTED // POSTED_TURN):
            for recorded in (True, False):
                await _switch(connection, recorded)
                for _ in range(POSTED_TURN):
                    postings = _sale(next(orders))
                    began = time.perf_counter()
                    async with connection.transaction():
                        await store.post(connection, *postings, actor="bench")
                    found[recorded].append(time.perf_counter() - began)
        await _switch(connection, True)
    return found


def _sale(order_id: uuid.UUID) -> list[Posting]:
    key = uuid.uuid4()
    return [
        Posting(
            kind,
            f"bench:{kind}:{key}",
            (Entry(debit, amount, CURRENCY), Entry(credit, -amount, CURRENCY)),
            order_id=order_id,
        )
        for kind, debit, credit, amount in (
            (PostingKind.SALE, DEPOSITS, REVENUE, PRICE),
            (PostingKind.COST, COST, PROVIDER, SPENT),
        )
    ]


async def _switch(connection: Any, on: bool) -> None:
    for name in NAMES:
        await connection.execute(TRIGGERS.format("enable" if on else "disable", name))
