"""Every row and every sum of an export equals a count in plain Python over the ledger."""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.values import money, timestamps
from protos.common.v1 import days_pb2
from tests.component.orders.exports.exporting import ALWAYS, Exporting, amount, exporting
from tests.component.orders.reports.business import BEGIN, DAYS, ORDERS, Sold, forget, happen
from tests.component.orders.reports.recount import Figure, figures
from tests.fixtures.postgres import Databases
from tests.fixtures.sandboxes import Auth

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns"]
FIRST = BEGIN.date() - timedelta(days=1)
RANGES = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(
    lambda cut: days_pb2.DayRange(
        from_day=(FIRST + timedelta(days=cut[0])).isoformat(),
        to_day=(FIRST + timedelta(days=DAYS + 11 - cut[1])).isoformat(),
    )
)
FIGURES = ("gross", "tax", "refunds", "disputes", "cost", "fees")
ENTRIES = """
select t.id::text, t.n, e.n as entry, t.at, t.kind, t.key, e.account, e.amount, e.currency
from orders.ledger_transactions t join orders.ledger_entries e on e.transaction_id = t.id
order by t.at, t.n, e.n
"""


def inside(at: Any, days: days_pb2.DayRange, zone: str) -> bool:
    day = at.astimezone(ZoneInfo(zone)).date().isoformat()
    return bool(days.from_day <= day <= days.to_day)


Sums = dict[tuple[str, str, str], Decimal]


def not_zero(found: Sums) -> Sums:
    return {key: value for key, value in found.items() if value}


async def compare_sales(
    exported: Exporting, found: Sequence[Figure], days: days_pb2.DayRange, zone: str
) -> None:
    """Compare figure by figure and fact by fact, and the counts of orders and eSIMs."""
    rows = await exported.rows("Sales", range=days, time_zone=zone)
    shown: dict[tuple[str, int, str], tuple[Decimal, str]] = {
        (row.transaction_id, row.entry_number, name): amount(getattr(row, name))
        for row in rows
        for name in FIGURES
        if amount(getattr(row, name))[0]
    }
    wanted = [one for one in found if inside(one.at, days, zone)]
    assert shown == {
        (str(one.fact[0]), one.fact[1], one.name): (one.amount, one.currency) for one in wanted
    }
    facts = {one.fact: one for one in wanted}
    by_key = {(row.transaction_id, row.entry_number): row for row in rows}
    assert len(by_key) == len(rows) == len(facts)
    for key, one in facts.items():
        row = by_key[str(key[0]), key[1]]
        assert (row.orders, row.esims) == (one.orders, one.esims)
        assert timestamps.from_proto(row.at) == one.at
        assert timestamps.from_proto(row.sold_at) == one.sold_at
        assert row.day == one.at.astimezone(ZoneInfo(zone)).date().isoformat()
        assert row.sold_day == one.sold_at.astimezone(ZoneInfo(zone)).date().isoformat()
        assert row.HasField("converted") == (one.converted is not None)
        if one.converted is not None:
            assert row.converted.currency_code == one.converted_currency
            assert abs(money.from_proto(row.converted)) == abs(one.converted)
        assert row.area == one.dimensions["AREA"]
        assert row.organization_id == one.dimensions["ORGANIZATION"]
        assert row.source == one.dimensions["SOURCE"]
    assert [row.day for row in rows] == sorted(row.day for row in rows)


async def compare_ledger(
    exported: Exporting, entries: Iterable[Any], days: days_pb2.DayRange, zone: str
) -> None:
    rows = await exported.rows("Ledger", range=days, time_zone=zone)
    assert [
        (
            row.transaction_id,
            row.transaction_number,
            row.entry_number,
            row.kind,
            row.act,
            row.account,
            *amount(row.amount),
        )
        for row in rows
    ] == [
        (e["id"], e["n"], e["entry"], e["kind"], e["key"], e["account"], e["amount"], e["currency"])
        for e in entries
        if inside(e["at"], days, zone)
    ]
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        value, currency = amount(row.amount)
        sums[row.transaction_id, currency] += value
    assert not any(sums.values())


async def compare_orders(exported: Exporting, admin: Any, found: Sequence[Figure]) -> None:
    """Compare the exported earnings of orders and customers until now, in their own currencies."""
    orders = {row["id"]: row for row in await admin.fetch("select * from orders.esim_orders")}
    facts = dict(
        await admin.fetch("select transaction_id, order_id from orders.sales_facts group by 1, 2")
    )
    wanted: Sums = defaultdict(Decimal)
    unconverted: dict[str, int] = defaultdict(int)
    for one in found:
        if (order := orders.get(facts[one.fact[0]])) is not None:
            value = one.in_currency(order["currency"])
            wanted[str(order["id"]), order["currency"], one.name] += value or 0
            unconverted[str(order["id"])] += value is None
    rows = await exported.rows("Orders", range=ALWAYS)
    assert {row.id for row in rows} == set(map(str, orders))
    shown: Sums = {}
    for row in rows:
        currency = row.total_price.currency_code
        for name, value in (
            ("refunds", row.refunds),
            ("disputes", row.disputes),
            ("cost", row.converted_cost),
            ("fees", row.fees),
        ):
            shown[row.id, currency, name] = money.from_proto(value)
            if not unconverted[row.id]:
                assert value.currency_code == currency
    complete = {row.id for row in rows if not unconverted[row.id]}
    compared = {"refunds", "disputes", "cost", "fees"}
    assert not_zero({k: v for k, v in shown.items() if k[0] in complete}) == not_zero(
        {k: v for k, v in wanted.items() if k[0] in complete and k[2] in compared}
    )
    customers = await exported.rows("Customers", range=ALWAYS)
    summed: Sums = {
        (row.customer_id, row.currency, name): money.from_proto(getattr(row, name))
        for row in customers
        for name in FIGURES
    }
    by_customer: Sums = defaultdict(Decimal)
    for (order_id, currency, name), value in wanted.items():
        owner = next(str(o["customer_id"]) for o in orders.values() if str(o["id"]) == order_id)
        by_customer[owner, currency, name] += value
    assert not_zero(summed) == not_zero(by_customer)
    assert sum(row.unconverted_facts for row in customers) == sum(unconverted.values())


async def test_exports_equal_a_count_over_the_ledger(databases: Databases, auth: Auth) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    number = 0
    async with exporting(databases, auth) as exported:

        async def one(orders: list[Sold], wanted: list[tuple[days_pb2.DayRange, str]]) -> None:
            nonlocal number
            await forget(admin)
            await happen(admin, orders)
            number += len(orders)
            found, entries = await figures(admin), await admin.fetch(ENTRIES)
            for days, zone in wanted:
                await compare_sales(exported, found, days, zone)
                await compare_ledger(exported, entries, days, zone)
            await compare_orders(exported, admin, found)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            orders=st.lists(ORDERS, min_size=20, max_size=20),
            wanted=st.lists(st.tuples(RANGES, st.sampled_from(ZONES)), min_size=6, max_size=6),
        )
        def business(orders: list[Sold], wanted: list[tuple[days_pb2.DayRange, str]]) -> None:
            asyncio.run_coroutine_threadsafe(one(orders, wanted), loop).result(300)

        await asyncio.to_thread(business)
    assert number >= 20 * EXAMPLES
