"""The planner's own choice for the hot statements, with more rows than the provider sells."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from services.catalogue import store
from services.catalogue.listing import count_statement, page_statement
from services.catalogue.plan import Bundle, Country, PlanFilter, PlanOrder, plan_id
from tests.fixtures.postgres import Databases

ROWS = 6000


def many_bundles() -> list[Bundle]:
    """200 countries in 8 regions, 30 bundles each; prices as the provider's spread."""
    chance = random.Random(1)
    bundles = []
    for number in range(ROWS):
        place = number % 200
        unlimited = number % 3 == 0
        bundles.append(
            Bundle(
                name=f"esim_{number}",
                description=f"eSIM {number}",
                groups=("Standard Fixed",),
                countries=(Country(f"Country {place}", f"C{place}", f"Region {place % 8}"),),
                duration_days=chance.choice([1, 3, 5, 7, 10, 15, 30, 90]),
                price=Decimal(chance.randint(100, 45_000)) / 100,
                data_mb=None if unlimited else 1000 * chance.choice([1, 2, 3, 5, 10, 20]),
                unlimited=unlimited,
                speeds=("4G",),
                autostart=False,
                profile_name="Profile 1",
                allowances=(),
            )
        )
    return bundles


@pytest.fixture
async def full(databases: Databases) -> AsyncIterator[Any]:
    """A connection as an anonymous session, to a full and analysed table."""
    admin: Any = databases.admin
    await store.upsert(admin, many_bundles(), "USD")
    await admin.execute("analyze catalogue.data_plans")
    connection = await asyncpg.connect(databases.url("catalogue"))
    await connection.execute("set role catalogue_user")
    yield connection
    await connection.close()


async def plan_of(connection: Any, sql: str, *values: Any) -> set[str]:
    """The indexes that the planner takes, and "Seq Scan" if it reads the whole table."""
    text = await connection.fetchval(f"explain (format json) {sql}", *values)
    found: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan":
            found.add("Seq Scan")
        if "Index Name" in node:
            found.add(node["Index Name"])
        for child in node.get("Plans", []):
            walk(child)

    walk(json.loads(text)[0]["Plan"])
    return found


async def test_a_selective_filter_is_counted_by_its_index(full: Any) -> None:
    usd = PlanFilter(currency="USD")
    filters = {
        PlanFilter(country="c7"): "data_plans_by_place",
        PlanFilter(region="region 3", country="country 3"): "data_plans_by_place",
        # With one bound alone the planner, which has no statistics under row security, expects half
        # of the table, and reads it in 3 ms.
        replace(usd, min_price=Decimal(4), max_price=Decimal(5)): "data_plans_by_price",
        replace(usd, duration_days=30, max_price=Decimal(20)): "data_plans_by_duration_and_price",
    }
    for wanted, index in filters.items():
        sql, values = count_statement(wanted)
        assert await plan_of(full, sql, *values) == {index}, wanted


async def test_a_page_in_the_middle_begins_where_its_index_says(full: Any) -> None:
    pages = {
        PlanOrder.NAME: (["esim_3"], "data_plans_by_name"),
        PlanOrder.PRICE_ASC: (["200.5", "esim_3"], "data_plans_by_price"),
        PlanOrder.PRICE_DESC: (["200.5", "esim_3"], "data_plans_by_price"),
        PlanOrder.DURATION_ASC: (["15", "esim_3"], "data_plans_by_duration"),
        PlanOrder.DATA_DESC: (["5000", "esim_3"], "data_plans_by_data"),
    }
    assert set(pages) == set(PlanOrder)
    for order, (after, index) in pages.items():
        sql, values = page_statement(PlanFilter(), order, size=100, after=after)
        assert await plan_of(full, sql, *values) == {index}, order


async def test_plans_by_id_or_name_are_looked_up(full: Any) -> None:
    ids = [plan_id(f"esim_{number}") for number in range(50)]
    assert await plan_of(full, store.BY_IDS, ids) == {"data_plans_pkey"}
    assert await plan_of(full, store.BY_NAME, "esim_7") == {"data_plans_name_key"}
