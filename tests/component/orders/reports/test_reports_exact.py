"""Every cell of a report equals a count in plain Python over the ledger.

The number of orders is `EXAMPLES` times some twenty; `REPORT_EXAMPLES=100` counts 2,000.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days, Interval, starts
from services.orders.reports.difference import Counts
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.report import Dimension, Figures, Wanted
from services.orders.reports.sales import Sales
from services.orders.reports.upkeep import Zone
from tests.component.orders.reports.business import BEGIN, DAYS, ORDERS, Sold, forget, happen
from tests.component.orders.reports.recount import Figure, figures
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns"]
FIRST = BEGIN.date() - timedelta(days=1)
LAST = FIRST + timedelta(days=DAYS + 11)
GROUPINGS: list[tuple[Dimension, ...]] = [
    (),
    (Dimension.AREA,),
    (Dimension.REGION, Dimension.COUNTRY),
    (Dimension.PLAN, Dimension.DURATION),
    (Dimension.CURRENCY,),
    (Dimension.CURRENCY, Dimension.ORGANIZATION, Dimension.SOURCE),
    (Dimension.COUPON,),
]
# Sums of whole months are read too, also of those of which a few days are left out.
MONTHS = [
    Days(date(2026, 10, 1), date(2026, 11, 30)),
    Days(date(2026, 9, 15), date(2026, 11, 5)),
    Days(date(2026, 10, 1), date(2026, 10, 28)),
    Days(date(2026, 10, 7), date(2026, 11, 26)),
]
WANTED = st.builds(
    Wanted,
    days=st.one_of(
        st.tuples(st.integers(0, 12), st.integers(0, 12)).map(
            lambda cut: Days(FIRST + timedelta(days=cut[0]), LAST - timedelta(days=cut[1]))
        ),
        st.sampled_from(MONTHS),
    ),
    interval=st.sampled_from(list(Interval)),
    time_zone=st.sampled_from(ZONES),
    currency=st.sampled_from(["USD", "EUR", "KWD"]),
    group_by=st.sampled_from(GROUPINGS),
    as_sold_on=st.booleans(),
    first=st.sampled_from([1, 2, 1000]),
)
Cells = dict[tuple[date, str, tuple[str, ...]], Figures]
OTHER = ("(other)",)


def counted(found: Sequence[Figure], wanted: Wanted, currency: str) -> Cells:
    """Return what the report has to say, from the figures of the ledger."""
    zone = ZoneInfo(wanted.time_zone)
    first_days = starts(wanted.days, wanted.interval)
    cells: Cells = defaultdict(Figures)
    whole: dict[tuple[str, tuple[str, ...]], Decimal] = defaultdict(Decimal)
    seen: set[tuple[Any, ...]] = set()
    for one in found:
        day = (one.sold_at if wanted.as_sold_on else one.at).astimezone(zone).date()
        if not wanted.days.first <= day <= wanted.days.last:
            continue
        period = max(start for start in first_days if start <= day)
        group = tuple(one.dimensions[dimension] for dimension in wanted.group_by)
        shown = currency or one.currency
        amount = one.in_currency(shown)
        values: dict[str, Any] = {one.name: amount or Decimal(0)}
        # A fact of tax is two figures, but one fact.
        if one.fact not in seen:
            seen.add(one.fact)
            values |= {"orders": one.orders, "esims": one.esims, "unconverted": int(amount is None)}
        cells[period, shown, group] += Figures(**values)
        whole[shown, group] += values.get("gross", 0)
    ranks: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for (shown, group), _ in sorted(whole.items(), key=lambda item: (-item[1], item[0][1])):
        ranks[shown].append(group)
    folded: Cells = defaultdict(Figures)
    for (period, shown, group), values_ in cells.items():
        own = ranks[shown].index(group) < wanted.first
        folded[period, shown, group if own else OTHER] += values_
    return folded


async def compare(database: Database, wanted: Wanted, found: Sequence[Figure]) -> None:
    sales = Sales(ReportsDatabase(database, None, owner="orders", needs=""), "UTC")
    currency = "" if Dimension.CURRENCY in wanted.group_by else wanted.currency
    report = await sales.report(replace(wanted, currency=currency))
    reported: Cells = {}
    for row in report.rows:
        group = OTHER if row.other else tuple(one.value for one in row.groups)
        assert (row.days.first, row.currency, group) not in reported
        reported[row.days.first, row.currency, group] = row.figures
    expected = counted(found, wanted, currency)
    if not wanted.group_by:
        # Every period has a row.
        expected = {key: Figures() for key in reported} | expected
    assert reported == expected
    totals: dict[str, Figures] = defaultdict(Figures)
    for (_, shown, _), values in expected.items():
        totals[shown] += values
    assert {total.currency: total.figures for total in report.totals if totals} == totals


async def test_every_cell_equals_a_count_over_the_ledger(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    number = 0
    async with databases.open("orders") as database:
        # The days of one of the zones are summed, those of the others are counted from facts.
        await Zone(database, "America/St_Johns", stop=asyncio.Event()).round()

        async def one(orders: list[Sold], wanted: list[Wanted]) -> None:
            nonlocal number
            await forget(admin)
            await happen(admin, orders)
            number += len(orders)
            found = await figures(admin)
            for each in wanted:
                await compare(database, each, found)
            counts = Counts()
            rebuild = Rebuild(database, "America/St_Johns")
            assert [d async for d in rebuild.run(FIRST, counts, check=True)] == []
            assert bool(counts.ledger_transactions) == bool(found)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            orders=st.lists(ORDERS, min_size=20, max_size=20),
            wanted=st.lists(WANTED, min_size=20, max_size=20),
        )
        def business(orders: list[Sold], wanted: list[Wanted]) -> None:
            asyncio.run_coroutine_threadsafe(one(orders, wanted), loop).result(300)

        await asyncio.to_thread(business)
    assert number >= 20 * EXAMPLES
