"""Order lists for operators: each filter reads no more of its index than a page, and counting stops early."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from protos.orders.v1 import orders_pb2
from services.orders.listing import list_orders
from services.orders.listing.list_orders import MAX_COUNTED, OrderFilter
from services.orders.order import OrderStatus
from tests.component.orders.shop import Shop, request
from tests.fixtures.postgres import Databases
from tests.fixtures.scans import scans

ROWS = 60_000
SIZE = 51
RARE, COMMON = UUID(int=7), UUID(int=1)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
# One order a minute, one in a thousand cancelled; a customer with three orders, the oldest ones.
FILL = """
insert into orders.esim_orders (
    customer_id, plan_id, bundle_name, quantity, unit_price, total_price, currency, status,
    recovery_point, provider_reference, created_at
)
select
    case when n > $1 - 3 then $2::uuid else $3::uuid end, gen_random_uuid(), 'esim_1GB', 1, 1, 1, 'USD',
    case when n % 1000 = 0 then 'CANCELLED' else 'COMPLETED' end, 'REGISTERED', 'ref-' || n,
    $4::timestamptz - n * interval '1 minute'
from generate_series(1, $1) as n
"""
PROCESSING = (OrderStatus.PROCESSING, OrderStatus.NEEDS_REVIEW)
ADMIN = {"sub": str(UUID(int=9)), "app_metadata": {"role": "admin"}}
CUSTOMER = {"sub": str(RARE)}


@pytest.fixture
async def full(databases: Databases) -> AsyncIterator[Any]:
    """A user session's connection to a full, analyzed table."""
    # The triggers require an order's first row to be a claim; these rows are years of finished ones.
    await databases.admin.execute("set session_replication_role = replica")
    await databases.admin.execute(FILL, ROWS, RARE, COMMON, NOW)
    await databases.admin.execute("vacuum analyze orders.esim_orders")
    connection = await asyncpg.connect(databases.url("orders"))
    await connection.execute("set role orders_user")
    yield connection
    await connection.close()


async def claims(connection: Any, of: dict[str, Any]) -> None:
    await connection.execute("select set_config('request.jwt.claims', $1, false)", json.dumps(of))


PAGES: list[tuple[dict[str, Any], OrderFilter, int]] = [
    (ADMIN, OrderFilter(), SIZE),
    (ADMIN, OrderFilter(since=NOW - timedelta(minutes=9)), 9),
    (ADMIN, OrderFilter(until=NOW - timedelta(days=30)), SIZE),
    (ADMIN, OrderFilter(statuses=(OrderStatus.CANCELLED,)), SIZE),
    (ADMIN, OrderFilter(statuses=PROCESSING), 0),
    (ADMIN, OrderFilter(customer_id=RARE), 3),
    (ADMIN, OrderFilter(customer_id=RARE, statuses=(OrderStatus.COMPLETED,)), 2),
    (CUSTOMER, OrderFilter(customer_id=RARE), 3),
]


async def test_a_page_uses_an_index_and_reads_few_extra_rows(full: Any) -> None:
    for session, wanted, found in PAGES:
        await claims(full, session)
        statement = list_orders.Statement(wanted, SIZE)
        sql = statement.page()
        read = await scans(full, sql, *statement.values)
        assert "all of esim_orders" not in read, (wanted, read)
        assert sum(read.values()) <= SIZE + 1, (wanted, read)
        orders = await list_orders.list_orders(full, wanted, SIZE)
        assert len(orders) == found, wanted
        times = [order.created_at for order in orders]
        assert times == sorted(times, reverse=True)


async def test_the_count_stops_at_its_limit(full: Any) -> None:
    await claims(full, ADMIN)
    assert await list_orders.count_orders(full, OrderFilter()) == MAX_COUNTED
    assert (
        await list_orders.count_orders(full, OrderFilter(statuses=(OrderStatus.CANCELLED,))) == 60
    )
    assert await list_orders.count_orders(full, OrderFilter(customer_id=RARE)) == 3
    one_day = OrderFilter(since=NOW - timedelta(days=1))
    assert await list_orders.count_orders(full, one_day) == 24 * 60
    later = OrderFilter(since=one_day.since, after=(NOW - timedelta(hours=3), UUID(int=0)))
    assert await list_orders.count_orders(full, later) == 24 * 60
    # Row security: a customer has no other orders to count.
    await claims(full, CUSTOMER)
    assert await list_orders.count_orders(full, OrderFilter()) == 3
    assert await list_orders.count_orders(full, OrderFilter(statuses=(OrderStatus.COMPLETED,))) == 2


async def test_the_total_counts_only_the_callers_orders_and_does_not_change_cursors(
    shop: Shop,
) -> None:
    ann, bob = await shop.session("ann@example.com"), await shop.session("bob@example.com")
    root = await shop.session("root@example.com", admin=True)
    async with shop.open() as orders:
        for key, buyer in (("1", ann), ("2", ann), ("3", ann), ("4", bob)):
            await orders.CreateOrder(request(shop, idempotency_key=key), metadata=buyer)
        counted = orders_pb2.ListOrdersRequest(page_size=2, with_total=True)
        for who, total in ((ann, 3), (bob, 1), (root, 4), (shop.service_key, 4)):
            answer = await orders.ListOrders(counted, metadata=who)
            assert answer.total_size == total
        first = await orders.ListOrders(counted, metadata=ann)
        follow = orders_pb2.ListOrdersRequest(page_size=2, page_token=first.next_page_token)
        rest = await orders.ListOrders(follow, metadata=ann)
        assert (len(rest.orders), rest.total_size) == (1, 0)
        follow.with_total = True
        assert (await orders.ListOrders(follow, metadata=ann)).total_size == 3
