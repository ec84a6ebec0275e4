"""Reads and changes of the catalogue while prices are computed, and changes of prices that are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from tests.component.catalogue.conftest import EIGHT, OpenShop
from tests.component.catalogue.price_rules import USD, markup, set_rules
from tests.fixtures.postgres import Databases

BLOCKED = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
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
            await shop.databases.until(BLOCKED)
            await other.execute("select from catalogue.revision for update nowait")
        assert (await setting).changed == 8
