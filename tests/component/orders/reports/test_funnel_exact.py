"""Every number of an order funnel equals a count in plain Python over random orders."""

import asyncio
import math
import os
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from kit.db.database import Database
from kit.db.reports import ReportsDatabase
from kit.reports.periods import Days
from services.orders.reports.funnel import Counts, Durations, Step, WantedFunnel
from services.orders.reports.lifecycle import Lifecycle
from services.orders.reports.report import Filter
from tests.component.orders.reports.business import forget
from tests.component.orders.reports.started_orders import (
    DAYS,
    FIRST,
    ORDERS,
    ORGANIZATION,
    USED,
    Started,
    place,
)
from tests.fixtures.postgres import Databases

EXAMPLES = int(os.environ.get("REPORT_EXAMPLES", "3"))
FILTERS = st.one_of(
    st.just(Filter()),
    st.sampled_from(
        [
            Filter(countries=("FR",)),
            Filter(countries=("",)),
            Filter(areas=("FR", "Europe")),
            Filter(areas=("MULTIPLE", "UNKNOWN")),
            Filter(regions=("Global",)),
            Filter(durations=(7, 30)),
            Filter(currencies=("EUR",)),
            Filter(organization_ids=(ORGANIZATION,)),
            Filter(coupon_codes=("SPRING",), sources=("SHOP",)),
            Filter(sources=("API", "BATCH")),
            Filter(unlimited=True),
            Filter(unlimited=False, durations=(1,)),
        ]
    ),
)
WANTED = st.builds(
    WantedFunnel,
    days=st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
        lambda cut: Days(FIRST + timedelta(days=cut[0]), FIRST + timedelta(days=DAYS + 1 - cut[1]))
    ),
    time_zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
    filter=FILTERS,
)


def counts_if(found: Sequence[Started], wanted: Filter) -> list[Started]:
    """Return the orders that a filter lets through."""
    left = []
    for one in found:
        described = one.described()
        values = {
            "countries": described["COUNTRY"],
            "areas": described["AREA"],
            "regions": described["REGION"],
            "durations": one.days if one.countries is not None else None,
            "currencies": one.currency,
            "organization_ids": one.organization,
            "coupon_codes": one.coupon,
            "sources": described["SOURCE"],
        }
        unlimited = one.unlimited and one.countries is not None
        if wanted.unlimited not in (None, unlimited):
            continue
        if all(value in (getattr(wanted, n) or (value,)) for n, value in values.items()):
            left.append(one)
    return left


def recount(orders: Sequence[Started], wanted: WantedFunnel) -> Counts:
    zone = ZoneInfo(wanted.time_zone)
    found = [
        one
        for one in counts_if(orders, wanted.filter)
        if wanted.days.first <= one.at.astimezone(zone).date() <= wanted.days.last
    ]

    def step(those: Sequence[Started]) -> Step:
        return Step(
            len(those),
            sum(one.number for one in those),
            sum(one.number for one in those if one.is_top_up),
        )

    delivered = [one for one in found if one.delivered]
    followed = [one for one in delivered if one.known and not one.is_top_up]

    def reached(numbers: Sequence[int]) -> Step:
        return Step(sum(n > 0 for n in numbers), sum(numbers), 0)

    failed = [one for one in found if one.failed]
    reasons = Counter("PAID_BACK" if one.bought else one.reason for one in failed)
    seconds = sorted(one.seconds for one in found if one.seconds is not None)

    def percentile(share: float) -> float:
        return seconds[max(math.ceil(share * len(seconds)), 1) - 1]

    return Counts(
        started=step(found),
        authorized=step([one for one in found if one.authorized_here]),
        bought=step([one for one in found if one.bought]),
        delivered=step(delivered),
        installed=reached(
            [min(sum(i or u for _, i, u in one.esims), one.number) for one in followed]
        ),
        used=reached([min(sum(u for _, _, u in one.esims), one.number) for one in followed]),
        failed=step(failed),
        in_progress=step([one for one in found if not one.failed and not one.delivered]),
        failures=tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        time_to_delivery=Durations(percentile(0.5), percentile(0.95), percentile(0.99))
        if seconds
        else None,
    )


async def compare(database: Database, orders: Sequence[Started], wanted: WantedFunnel) -> Counts:
    lifecycle = Lifecycle(ReportsDatabase(database, None, owner="orders", needs=""), "UTC")
    funnel = await lifecycle.funnel(wanted)
    counts = funnel.counts
    assert counts == recount(orders, wanted)
    for more, fewer in zip(
        (counts.started, counts.authorized, counts.bought, counts.delivered, counts.installed),
        (counts.authorized, counts.bought, counts.delivered, counts.installed, counts.used),
        strict=True,
    ):
        assert more.orders >= fewer.orders
        assert more.esims >= fewer.esims
    ends = (counts.delivered, counts.failed, counts.in_progress)
    assert sum(step.orders for step in ends) == counts.started.orders
    assert sum(orders for _, orders in counts.failures) == counts.failed.orders
    return counts


async def test_every_number_equals_a_count_over_the_orders(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    used = 0
    async with databases.open("orders") as database:

        async def one(orders: list[Started], wanted: list[WantedFunnel]) -> None:
            nonlocal used
            await forget(admin)
            await admin.execute("truncate orders.esim_progress")
            # Orders that nobody bought.
            await admin.execute("set session_replication_role = replica")
            for number, order in enumerate(orders):
                await place(admin, number, order)
            await admin.execute("reset session_replication_role")
            for each in wanted:
                used += (await compare(database, orders, each)).used.orders

        @examples(
            max_examples=EXAMPLES,
            suppress_health_check=list(HealthCheck),
            # A smaller example takes as long.
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            orders=st.lists(ORDERS, min_size=60, max_size=60),
            wanted=st.lists(WANTED, min_size=20, max_size=20),
        )
        @example(
            orders=[USED],
            wanted=[WantedFunnel(Days(FIRST, FIRST + timedelta(days=DAYS)), "UTC", Filter())],
        )
        def business(orders: list[Started], wanted: list[WantedFunnel]) -> None:
            asyncio.run_coroutine_threadsafe(one(orders, wanted), loop).result(300)

        await asyncio.to_thread(business)
    assert used
