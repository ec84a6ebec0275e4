"""Reads and changes of the catalogue while prices are computed, and changes of prices that are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from kit.errors import Failure
from kit.telemetry.metrics import registry
from kit.values import money
from protos.catalogue.v1 import prices_pb2 as pb
from tests.component.catalogue.conftest import EIGHT, OpenShop
from tests.component.catalogue.price_rules import USD, fixed, history, markup, set_rules
from tests.fixtures.postgres import Databases

# Of statements like this; loops of the service read prices too.
BLOCKED = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock' and query like $1
)
"""


@asynccontextmanager
async def holding_prices(databases: Databases) -> AsyncIterator[Any]:
    """A transaction beside the service that lets no other one read prices; yields its connection."""
    connection = await asyncpg.connect(databases.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("lock table catalogue.plan_prices in access exclusive mode")
            yield connection
    finally:
        await connection.close()


async def test_other_changes_of_the_catalogue_do_not_wait_for_the_computation_of_prices(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        async with holding_prices(shop.databases) as other:
            setting = asyncio.create_task(set_rules(shop, [USD], [markup("All", "10")]))
            await shop.databases.until(BLOCKED, "%plan_id > $1%")
            await other.execute("select from catalogue.revision for update nowait")
        assert (await setting).changed == 8


async def test_a_history_is_read_while_its_list_gets_another_id(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        await set_rules(shop, [USD], [markup("All", "10")])
        async with holding_prices(shop.databases) as other:
            reading = asyncio.create_task(history(shop, "esim_a"))
            await shop.databases.until(BLOCKED, "%plan_price_history%")
            await other.execute("update catalogue.plan_prices set price_list = 'dollars'")
        [price] = await reading
        assert (price.price_list, money.text(price.price)) == ("usd", "1.1")


async def test_an_old_version_with_rules_of_a_newer_release_does_not_hide_the_history(
    open_shop: OpenShop,
) -> None:
    async with open_shop(EIGHT) as shop:
        await set_rules(shop, [USD], [markup("All", "10")])
        await set_rules(shop, [USD], [markup("All", "20")], expected=1)
        await shop.databases.admin.execute(
            """update catalogue.price_rule_sets set rules = '[{"name": "All", "kind": 99}]'
               where version = 1"""
        )
        assert [money.text(one.price) for one in await history(shop, "esim_a")] == ["1.2", "1.1"]


async def test_rules_that_are_refused_do_not_count_in_metrics(open_shop: OpenShop) -> None:
    async with open_shop(EIGHT) as shop:
        await set_rules(shop, [USD], [markup("All", "10")])
        capped = pb.PriceList(id="usd", currency="USD", min_margin="0.5", max_markup_percent="5")
        with pytest.raises(Failure, match="SELLS_AT_A_LOSS"):
            await set_rules(shop, [capped], [fixed("H", "1", plans=["esim_h"])], expected=1)
        assert registry().get_sample_value("esimgo_catalogue_unsellable_plans") == 0
        await set_rules(shop, [capped], expected=1)
        assert registry().get_sample_value("esimgo_catalogue_unsellable_plans") == 8
