"""Every cell of a cohort equals a count in plain Python over the ledger."""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days
from services.orders.reports.cohort import CohortBy, Measure, WantedCohorts
from services.orders.reports.lifecycle import Lifecycle
from tests.component.orders.reports.business import ORDERS, Sold, forget, happen
from tests.component.orders.reports.recount import Figure, figures
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
BEGIN, DAYS = datetime(2026, 8, 25, tzinfo=UTC), 100
FIRST = BEGIN.date() - timedelta(days=2)
ERASED = UUID(int=0)
# Few, so that they buy again.
CUSTOMERS = [ERASED, *(UUID(int=0x4000_8000_0000_0000_0000 + n) for n in range(7))]
SOLD = st.builds(
    lambda sold, after, customer: replace(sold, at=BEGIN + after, customer=customer),
    ORDERS,
    st.timedeltas(timedelta(0), timedelta(days=DAYS)),
    st.sampled_from(CUSTOMERS),
)
WANTED = st.builds(
    WantedCohorts,
    days=st.tuples(st.integers(0, 60), st.integers(0, 50)).map(
        lambda cut: Days(
            FIRST + timedelta(days=cut[0]), FIRST + timedelta(days=DAYS + 12 - min(cut[1], 40))
        )
    ),
    by=st.sampled_from(CohortBy),
    measure=st.just(Measure.REVENUE),
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
    currency=st.sampled_from(["USD", "EUR", "KWD"]),
)
# Random customers may all buy once.
ONCE = Sold(
    at=BEGIN + timedelta(days=1),
    currency="EUR",
    cost_currency="EUR",
    total=Decimal(10),
    tax_share=Decimal(0),
    cost=Decimal(4),
    rate=None,
    quantity=1,
    plan=0,
    countries=["FR"],
    region="Europe",
    days=7,
    coupon="",
    organization=None,
    by_key=False,
    in_batch=False,
    customer=CUSTOMERS[1],
)
TWICE = [ONCE, replace(ONCE, at=BEGIN + timedelta(days=40))]
ALL = WantedCohorts(
    days=Days(FIRST, FIRST + timedelta(days=DAYS)),
    by=CohortBy.FIRST_PURCHASE_WEEK,
    measure=Measure.REVENUE,
    time_zone="UTC",
    currency="EUR",
)
SIGNS = {"gross": 1, "tax": -1, "refunds": -1, "disputes": -1}


def period_of(day: date, days: Days, by: CohortBy) -> date:
    """Return the first day of a day's period, which is cut at the range."""
    weekly = by is CohortBy.FIRST_PURCHASE_WEEK
    start = day - timedelta(days=day.weekday()) if weekly else day.replace(day=1)
    return max(start, days.first)


async def customers(admin: Any) -> dict[UUID, UUID | None]:
    """Return who bought, by ledger transaction; None for an erased person."""
    rows = await admin.fetch(
        """select t.id, o.organization_id, o.customer_id
           from orders.ledger_transactions t join orders.esim_orders o on o.id = t.order_id"""
    )
    return {
        row["id"]: row["organization_id"]
        or (None if row["customer_id"] == ERASED else row["customer_id"])
        for row in rows
    }


def edges(wanted: WantedCohorts, sold: Sold) -> list[WantedCohorts]:
    """Return the ranges that begin and end on the day of a sale."""
    day = sold.at.astimezone(ZoneInfo(wanted.time_zone)).date()
    days = wanted.days
    ranges = [Days(days.first, max(day, days.first)), Days(min(day, days.last), days.last)]
    return [replace(wanted, days=one) for one in ranges]


class Recount:
    """The cohorts of the ledger's figures."""

    def __init__(
        self, found: Sequence[Figure], of: dict[UUID, UUID | None], wanted: WantedCohorts
    ) -> None:
        zone, days = ZoneInfo(wanted.time_zone), wanted.days
        purchases = {one.fact: one for one in found if one.orders}
        first: dict[UUID, datetime] = {}
        for one in sorted(purchases.values(), key=lambda one: one.at):
            if (who := of[one.fact[0]]) is not None:
                first.setdefault(who, one.at)
        self.cohorts = {
            who: period_of(day, days, wanted.by)
            for who, at in first.items()
            if days.first <= (day := at.astimezone(zone).date()) <= days.last
        }
        self.buyers: dict[tuple[date, date], set[UUID]] = defaultdict(set)
        self.orders: dict[tuple[date, date], int] = defaultdict(int)
        self.net: dict[tuple[date, date], Decimal] = defaultdict(Decimal)
        self.erased = self.unconverted = 0
        for one in purchases.values():
            who, day = of[one.fact[0]], one.at.astimezone(zone).date()
            if who is None:
                self.erased += days.first <= day <= days.last
            elif who in self.cohorts and day <= days.last:
                key = self.cohorts[who], period_of(day, days, wanted.by)
                self.buyers[key].add(who)
                self.orders[key] += 1
        # The entries of taxes are in two figures, which cancel each other.
        by_fact: dict[tuple[UUID, int], Decimal] = defaultdict(Decimal)
        for one in found:
            by_fact[one.fact] += SIGNS.get(one.name, 0) * one.amount
        for one in found:
            who, day = of[one.fact[0]], one.at.astimezone(zone).date()
            if one.name not in SIGNS or who not in self.cohorts or day > days.last:
                continue
            key = self.cohorts[who], period_of(day, days, wanted.by)
            if key[1] < key[0] or day < days.first:
                continue
            amount = one.in_currency(wanted.currency)
            self.unconverted += amount is None and by_fact[one.fact] != 0
            self.net[key] += SIGNS[one.name] * (amount or 0)


async def compare(
    database: Database,
    wanted: WantedCohorts,
    found: Sequence[Figure],
    of: dict[UUID, UUID | None],
) -> int:
    lifecycle = Lifecycle(ReportsDatabase(database, None, owner="orders", needs=""), "UTC")
    report = await lifecycle.cohorts(wanted)
    counted = Recount(found, of, wanted)
    days = wanted.days
    starts = sorted(
        {period_of(days.first + timedelta(days=n), days, wanted.by) for n in range(days.number)}
    )
    assert [cohort.period.first for cohort in report.cohorts] == starts
    members = list(counted.cohorts.values())
    for cohort in report.cohorts:
        first = cohort.period.first
        assert cohort.customers == members.count(first)
        assert [cell.period.first for cell in cohort.cells] == [s for s in starts if s >= first]
        for cell in cohort.cells:
            key = first, cell.period.first
            bought = len(counted.buyers[key])
            assert (cell.customers, cell.orders, cell.net) == (
                bought,
                counted.orders[key],
                counted.net[key],
            )
            share = bought * 100 / cohort.customers if bought else 0
            assert cell.percent == round(share, 2)
    assert report.erased_orders == counted.erased
    assert report.unconverted == counted.unconverted
    counts = await lifecycle.cohorts(replace(wanted, measure=Measure.REPEAT_PURCHASE, currency=""))
    assert [
        [(cell.customers, cell.orders) for cell in cohort.cells] for cohort in counts.cohorts
    ] == [[(cell.customers, cell.orders) for cell in cohort.cells] for cohort in report.cohorts]
    assert all(cell.net is None for cohort in counts.cohorts for cell in cohort.cells)
    return sum(len(cells) for key, cells in counted.buyers.items() if key[0] != key[1])


async def test_every_cell_equals_a_count_over_the_ledger(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    again = 0
    async with databases.open("orders") as database:

        async def one(orders: list[Sold], wanted: list[WantedCohorts]) -> None:
            nonlocal again
            await forget(admin)
            await happen(admin, orders)
            found, of = await figures(admin), await customers(admin)
            for each, sold in zip(wanted, orders, strict=False):
                again += await compare(database, each, found, of)
                for edge in edges(each, sold):
                    again += await compare(database, edge, found, of)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            orders=st.lists(SOLD, min_size=40, max_size=40),
            wanted=st.lists(WANTED, min_size=10, max_size=10),
        )
        @example(orders=TWICE, wanted=[ALL])
        def business(orders: list[Sold], wanted: list[WantedCohorts]) -> None:
            asyncio.run_coroutine_threadsafe(one(orders, wanted), loop).result(300)

        await asyncio.to_thread(business)
    assert again, "customers who buy again are what this is about"
