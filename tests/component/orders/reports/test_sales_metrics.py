"""The metrics of sales agree with the ledger."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client import generate_latest

from kit.telemetry import metrics
from protos.catalogue.v1 import prices_pb2
from services.orders.reports import survey_store
from services.orders.reports.metrics import AMOUNTS, SalesMetrics
from services.orders.reports.report import Dimension, Figures
from services.orders.reports.survey_store import OTHER, TOP_AREAS, Sold, Survey, survey_of
from services.orders.reports.upkeep import Zone
from tests.component.orders.reports.business import BEGIN, DAYS, ORDERS, forget, happen
from tests.component.orders.reports.business import Sold as Order
from tests.component.orders.reports.recount import Figure, figures
from tests.component.orders.reports.reporting import amount, reporting, today
from tests.component.orders.shop import Shop
from tests.fixtures.patience import until
from tests.fixtures.postgres import Databases

ZONE = "America/St_Johns"
TODAYS = st.integers(-1, DAYS + 40).map(lambda after: BEGIN.date() + timedelta(days=after))


def counted(
    found: Sequence[Figure], now: date
) -> tuple[dict[tuple[str, str], Figures], Counter[str]]:
    """Return the figures by period and currency, and the orders by destination."""
    sums: dict[tuple[str, str], Figures] = defaultdict(Figures)
    areas: Counter[str] = Counter()
    seen = set()
    for one in found:
        day = one.at.astimezone(ZoneInfo(ZONE)).date()
        currency = one.dimensions[Dimension.CURRENCY] or one.currency
        values: dict[str, Any] = {one.name: one.in_currency(currency) or Decimal(0)}
        if one.fact not in seen:  # a fact of tax is two figures
            seen.add(one.fact)
            values |= {"orders": one.orders, "esims": one.esims}
        for period, first in (("today", now), ("30d", now - timedelta(days=29))):
            if first <= day <= now:
                sums[period, currency] += Figures(**values)
                if period == "30d" and values.get("orders"):
                    areas[one.dimensions[Dimension.AREA]] += 1
    return sums, areas


def spent(found: Sequence[Figure], now: date, days: float) -> dict[str, Any]:
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for one in found:
        day = one.at.astimezone(ZoneInfo(ZONE)).date()
        if one.name == "cost" and now - timedelta(days=2) <= day <= now:
            costs[one.currency] += one.amount
    return {c: pytest.approx(float(cost) / days) for c, cost in costs.items() if cost > 0}


async def test_a_survey_equals_a_count_over_the_ledger(databases: Databases) -> None:
    admin, loop = databases.admin, asyncio.get_running_loop()
    await admin.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    async with databases.open("orders") as database:
        await Zone(database, ZONE, stop=asyncio.Event()).round()

        async def one(orders: list[Order], days: list[date]) -> None:
            await forget(admin)
            await happen(admin, orders)
            found = await figures(admin)
            for now in days:
                async with database.reports() as connection:
                    surveyed = await survey_of(connection, ZONE, now, 2.5)
                sums, areas = counted(found, now)
                assert {(s.period, s.currency): s.figures for s in surveyed.sold} == sums
                assert surveyed.areas == areas
                assert surveyed.spending == spent(found, now, 2.5)

        @examples(
            max_examples=3,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        )
        @given(
            orders=st.lists(ORDERS, min_size=20, max_size=20),
            days=st.lists(TODAYS, min_size=20, max_size=20),
        )
        def business(orders: list[Order], days: list[date]) -> None:
            asyncio.run_coroutine_threadsafe(one(orders, days), loop).result(300)

        await asyncio.to_thread(business)


async def test_only_the_top_destinations_have_their_own_number(databases: Databases) -> None:
    template = Order(
        at=datetime.now(UTC),
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
    )
    codes = [f"X{chr(ord('A') + n)}" for n in range(TOP_AREAS + 2)]
    orders = [
        replace(template, countries=[code])
        for n, code in enumerate(codes)
        for _ in range(len(codes) - n)
    ]
    await happen(databases.admin, orders)
    async with databases.open("orders") as database, database.reports() as connection:
        found = await survey_store.survey(connection, "UTC")
    expected = {code: float(len(codes) - n) for n, code in enumerate(codes[:TOP_AREAS])}
    assert found.areas == expected | {OTHER: 3.0}
    # Two full days and the part of this one: a rate between a third and a half of what was spent.
    total = 4 * len(orders)
    assert total / 3 <= found.spending["EUR"] <= total / 2


async def test_a_service_exports_at_its_start_what_was_sold_before(shop: Shop) -> None:
    shop.catalogue.adjust = _with_data
    with metrics.separate_registry() as registry:
        async with reporting(shop) as shown:
            began = today()
            for _ in range(2):
                await shown.buy(quantity=2)
            [totals] = (await shown.sales(currency="USD")).totals
        assert registry.get_sample_value("esimgo_orders_claimed_total") == 2
        async with shop.channel():
            await until(lambda: "esimgo_sales_orders" in generate_latest(registry).decode())
            samples = {
                (sample.name, *sorted(sample.labels.values())): sample.value
                for family in registry.collect()
                for sample in family.samples
            }
    assert today() != began or samples["esimgo_sales_orders", "USD", "today"] == 2
    assert samples["esimgo_sales_orders", "30d", "USD"] == totals.figures.orders == 2
    for name in AMOUNTS:
        value = samples["esimgo_sales_amount", *sorted(("30d", "USD", name))]
        assert value == float(amount(getattr(totals.figures, name))), name
    assert samples["esimgo_sales_amount", "30d", "USD", "gross"] > 0
    if today() == began:
        assert samples["esimgo_sales_data_bytes", "today"] == 4 * 1500 * 1e6
    assert [v for (name, *_), v in samples.items() if name == "esimgo_sales_area_orders"] == [2]
    assert samples["esimgo_provider_spending_per_day", "USD"] > 0


def _with_data(answer: prices_pb2.QuotePlanResponse) -> None:
    answer.plan.data_mb = 1500


def test_what_is_not_sold_any_more_disappears() -> None:
    def sold(period: str, currency: str) -> Sold:
        return Sold(period, currency, Figures(orders=1))

    with metrics.separate_registry() as registry:
        shown = SalesMetrics()
        shown.survey(
            Survey([sold("30d", "EUR"), sold("30d", "JPY")], {"FR": 2}, {"USD": 4.5}, 1000)
        )
        text = generate_latest(registry).decode()
        # Nothing was sold today, which is 0 and not unknown.
        assert 'esimgo_sales_orders{currency="JPY",period="today"} 0.0' in text
        assert 'esimgo_sales_data_bytes{period="today"} 1e+09' in text
        shown.survey(Survey([sold("30d", "EUR"), sold("today", "EUR")], {"DE": 1}, {}, 0))
        text = generate_latest(registry).decode()
    assert 'esimgo_sales_orders{currency="EUR",period="today"} 1.0' in text
    assert "JPY" not in text
    assert "FR" not in text
    assert "esimgo_provider_spending_per_day{" not in text
