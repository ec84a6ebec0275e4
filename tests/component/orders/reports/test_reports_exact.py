"""Every cell of random sales reports equals a recount in Python over the ledger.

The number of orders is `EXAMPLES` times some twenty; `REPORT_EXAMPLES=100` counts 2,000.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days, Interval
from services.orders.reports.difference import Counts
from services.orders.reports.rebuild import Rebuild
from services.orders.reports.report import Comparison, Dimension, Field, Filter, Wanted
from services.orders.reports.sales import Sales
from services.orders.reports.upkeep import Zone
from tests.component.orders.reports.business import (
    BEGIN,
    DAYS,
    ORDERS,
    ORGANIZATIONS,
    Sold,
    forget,
    happen,
    plan_of,
)
from tests.component.orders.reports.recount import Figure, figures
from tests.component.orders.reports.recounted_report import recounted
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
# Time zones whose days are summed, and when business begins. Within two weeks daylight saving ends, at night,
# at midnight or by half an hour, a day is skipped, or the clocks are set from 23:30 to midnight for good. In
# the last two, the year after or the year itself has a 29 February.
ERAS = [
    ("America/St_Johns", BEGIN.date()),
    ("America/Havana", BEGIN.date()),
    ("Australia/Lord_Howe", date(2026, 3, 30)),
    ("Pacific/Apia", date(2011, 12, 24)),
    ("Asia/Pyongyang", date(2018, 4, 28)),
    ("Europe/Lisbon", date(2023, 2, 21)),
    ("America/New_York", date(2024, 2, 21)),
]
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", *(zone for zone, _ in ERAS)]
FIRST = BEGIN.date() - timedelta(days=1)
LAST = FIRST + timedelta(days=DAYS + 11)
# The check of all sums reads each day until today, so only recent examples are checked.
FEW_DAYS = 500
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
    Days(date(2026, 11, 1), date(2026, 11, 30)),
    Days(date(2026, 9, 15), date(2026, 11, 5)),
    Days(date(2026, 10, 1), date(2026, 10, 28)),
    Days(date(2026, 10, 7), date(2026, 11, 26)),
]


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    """Nearly always no condition."""
    chosen = st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True).map(tuple)
    return st.one_of(*[st.just(())] * 5, chosen)


FILTERS = st.builds(
    Filter,
    countries=some("FR", "DE", "XX", ""),
    areas=some("FR", "Europe", "MULTIPLE", "UNKNOWN"),
    regions=some("Europe", "Global", ""),
    plans=some("esim_0", "esim_1", str(plan_of(2)), str(plan_of(3))),
    durations=some(1, 7, 30),
    currencies=some("USD", "EUR", "JPY"),
    organization_ids=some(*ORGANIZATIONS),
    coupon_codes=some("SPRING", ""),
    sources=some("SHOP", "API", "BATCH", "NONE"),
    unlimited=st.sampled_from([None, None, None, None, None, True, False]),
)
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
    filter=st.one_of(st.just(Filter()), FILTERS),
    compare_to=st.sampled_from([None, *Comparison]),
    order_by=st.sampled_from(list(Field)),
    ascending=st.booleans(),
    as_sold_on=st.booleans(),
    first=st.sampled_from([1, 2, 1000]),
)


def moved(wanted: Wanted, zone: str, begin: date, later: bool) -> Wanted:
    """Move a report to another time; `later` to one whose year before has the sales."""
    after = begin - BEGIN.date() + timedelta(days=365 * later)
    days = Days(wanted.days.first + after, wanted.days.last + after) if after else wanted.days
    # Every other report is in the zone whose days are summed.
    own = zone if ZONES.index(wanted.time_zone) % 2 else wanted.time_zone
    return replace(wanted, days=days, time_zone=own)


async def compare(database: Database, wanted: Wanted, found: Sequence[Figure]) -> None:
    sales = Sales(ReportsDatabase(database, None, owner="orders", needs=""), "UTC")
    currency = "" if Dimension.CURRENCY in wanted.group_by else wanted.currency
    wanted = replace(wanted, currency=currency)
    report = await sales.report(wanted)
    expected = recounted(found, wanted)
    assert report.rows == expected.rows
    assert report.truncated == any(row.other for row in expected.rows)
    assert report.totals == expected.totals


async def test_every_cell_equals_a_count_over_the_ledger(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    number = 0
    async with databases.open("orders") as database:

        async def one(
            era: tuple[str, date], orders: list[Sold], wanted: list[Wanted], later: bool
        ) -> None:
            nonlocal number
            zone, begin = era
            await forget(admin)
            # The days of one of the zones are summed, those of the others are counted from facts.
            await Zone(database, zone, stop=asyncio.Event()).round()
            after = begin - BEGIN.date()
            await happen(admin, [replace(order, at=order.at + after) for order in orders])
            number += len(orders)
            found = await figures(admin)
            for each in wanted:
                await compare(database, moved(each, zone, begin, later), found)
            if (database.now().date() - begin).days > FEW_DAYS:
                return
            counts = Counts()
            rebuild = Rebuild(database, zone)
            first = begin - timedelta(days=1)
            assert [d async for d in rebuild.run(first, counts, check=True)] == []
            assert bool(counts.ledger_transactions) == bool(found)

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            era=st.sampled_from(ERAS),
            orders=st.lists(ORDERS, min_size=20, max_size=20),
            wanted=st.lists(WANTED, min_size=20, max_size=20),
            later=st.booleans(),
        )
        def business(
            era: tuple[str, date], orders: list[Sold], wanted: list[Wanted], later: bool
        ) -> None:
            asyncio.run_coroutine_threadsafe(one(era, orders, wanted, later), loop).result(300)

        await asyncio.to_thread(business)
    assert number >= 20 * EXAMPLES
