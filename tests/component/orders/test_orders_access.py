"""Access rules of orders: customers, anonymous callers, administrators and services, against every call."""

from collections.abc import Callable
from typing import Any

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.orders.v1 import events_pb2, orders_pb2
from tests.component.orders.shop import Metadata, Shop, request
from tests.fixtures.rpc.refusals import reason_of

Make = Callable[[str], Any]
ALL_CALLS: list[tuple[str, Make]] = [
    ("CreateOrder", lambda i: orders_pb2.CreateOrderRequest(plan_id=i, quantity=1)),
    ("QuoteOrder", lambda i: orders_pb2.QuoteOrderRequest(plan_id=i, quantity=1)),
    ("ValidateOrder", lambda i: orders_pb2.ValidateOrderRequest(plan_id=i, quantity=1)),
    ("GetOrder", lambda i: orders_pb2.GetOrderRequest(order_id=i)),
    ("BatchGetOrders", lambda i: orders_pb2.BatchGetOrdersRequest(order_ids=[i])),
    ("ListOrders", lambda _: orders_pb2.ListOrdersRequest()),
    ("ListOrderAssignments", lambda i: orders_pb2.ListOrderAssignmentsRequest(order_id=i)),
    ("CancelOrder", lambda i: orders_pb2.CancelOrderRequest(order_id=i)),
    ("BatchGetCancellations", lambda i: orders_pb2.BatchGetCancellationsRequest(order_ids=[i])),
    ("WatchOrder", lambda i: orders_pb2.WatchOrderRequest(order_id=i)),
    ("ApplyEvents", lambda _: events_pb2.ApplyEventsRequest()),
    ("BatchListOrderTimelines", lambda i: orders_pb2.BatchListOrderTimelinesRequest(order_ids=[i])),
]
OPERATORS_CALLS: list[tuple[str, Make]] = [
    ("ListStuckOrders", lambda _: orders_pb2.ListStuckOrdersRequest()),
    ("GetOrderHistory", lambda i: orders_pb2.GetOrderHistoryRequest(order_id=i)),
    ("ResumeOrder", lambda i: orders_pb2.ResumeOrderRequest(order_id=i)),
    ("ResolveOrder", lambda i: orders_pb2.ResolveOrderRequest(order_id=i)),
    ("ListUnexplainedProviderOrders", lambda _: orders_pb2.ListUnexplainedProviderOrdersRequest()),
]
# Not even administrators: exporting a person's data is reserved for operators at the machines.
SERVICES_CALLS: list[tuple[str, Make]] = [
    ("CreateOrderForCustomer", lambda i: orders_pb2.CreateOrderForCustomerRequest(customer_id=i)),
    ("ExportCustomer", lambda i: orders_pb2.ExportCustomerRequest(customer_id=i)),
    ("EraseCustomer", lambda i: orders_pb2.EraseCustomerRequest(customer_id=i)),
]


async def buy(shop: Shop, orders: Any, buyer: Metadata, **changes: Any) -> orders_pb2.Order:
    answer = await orders.CreateOrder(
        request(shop, **({"idempotency_key": ""} | changes)), metadata=buyer
    )
    order: orders_pb2.Order = answer.order
    return order


async def test_a_caller_without_a_session_reaches_no_order(shop: Shop) -> None:
    methods = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"].methods_by_name
    async with shop.open() as orders:
        for name, make in (*ALL_CALLS, *OPERATORS_CALLS, *SERVICES_CALLS):
            call = getattr(orders, name)(make(shop.plan_id))
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await (call.read() if methods[name].server_streaming else call)
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED, name
    covered = {name for name, _ in (*ALL_CALLS, *OPERATORS_CALLS, *SERVICES_CALLS)}
    assert covered == set(methods)


async def test_only_services_read_or_erase_all_data_of_a_customer(shop: Shop) -> None:
    methods = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"].methods_by_name
    sessions = [
        await shop.session("ann@example.com"),
        await shop.session("root@example.com", admin=True),
    ]
    ann = str(await shop.auth.user_id("ann@example.com"))
    async with shop.open() as orders:
        order = await buy(shop, orders, sessions[0])
        for name, make in SERVICES_CALLS:
            for session in sessions:
                call = getattr(orders, name)(make(ann), metadata=session)
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await (call.read() if methods[name].server_streaming else call)
                assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED, name
    assert str((await shop.row(order.id))["customer_id"]) == ann


async def test_customers_cannot_call_operator_methods(shop: Shop) -> None:
    customer = await shop.session("one@example.com")
    async with shop.open() as orders:
        order = await buy(shop, orders, customer)
        for name, make in OPERATORS_CALLS:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await getattr(orders, name)(make(order.id), metadata=customer)
            assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED, name


async def test_a_customer_sees_no_order_of_another_customer(shop: Shop) -> None:
    one, two = await shop.session("one@example.com"), await shop.session("two@example.com")
    async with shop.open() as orders:
        order = await buy(shop, orders, one)
        for name in ("GetOrder", "ListOrderAssignments", "CancelOrder"):
            make = dict(ALL_CALLS)[name]
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await getattr(orders, name)(make(order.id), metadata=two)
            assert raised.value.code() is grpc.StatusCode.NOT_FOUND, name
            assert reason_of(raised.value) == "ORDER_NOT_FOUND"
        batch = orders_pb2.BatchGetOrdersRequest(order_ids=[order.id])
        assert not (await orders.BatchGetOrders(batch, metadata=two)).orders
        assert not (await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=two)).orders
        assert [o.id for o in (await orders.BatchGetOrders(batch, metadata=one)).orders] == [
            order.id
        ]


async def test_administrators_and_services_see_all_orders_and_may_filter_by_customer(
    shop: Shop,
) -> None:
    one, two = await shop.session("one@example.com"), await shop.session("two@example.com")
    admin = await shop.session("admin@example.com", admin=True)
    async with shop.open() as orders:
        first, second = await buy(shop, orders, one), await buy(shop, orders, two)
        for operator in (admin, shop.service_key):
            every = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=operator)
            assert [o.id for o in every.orders] == [second.id, first.id]
            of_one = orders_pb2.ListOrdersRequest(
                filter=orders_pb2.OrderFilter(customer_id=first.customer_id)
            )
            listed = await orders.ListOrders(of_one, metadata=operator)
            assert [o.id for o in listed.orders] == [first.id]
            secrets = await orders.ListOrderAssignments(
                orders_pb2.ListOrderAssignmentsRequest(order_id=first.id), metadata=operator
            )
            assert len(secrets.assignments) == 1
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.ListOrders(of_one, metadata=one)
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_pages_contain_every_order_once_newest_first(shop: Shop) -> None:
    buyer = await shop.session("one@example.com")
    async with shop.open() as orders:
        made = [(await buy(shop, orders, buyer)).id for _ in range(5)]
        # Both were created at the same moment: the id decides.
        await shop.databases.admin.execute(
            "update orders.esim_orders set created_at = '2026-01-01' where id = any($1::text[]::uuid[])",
            made[:2],
        )
        page_request, found = orders_pb2.ListOrdersRequest(page_size=2), []
        while True:
            page = await orders.ListOrders(page_request, metadata=buyer)
            assert len(page.orders) <= 2
            found += [order.id for order in page.orders]
            if not page.next_page_token:
                break
            page_request.page_token = page.next_page_token
        assert found == [*reversed(made[2:]), *sorted(made[:2], reverse=True)]
        page_request.filter.statuses.append(orders_pb2.ORDER_STATUS_FAILED)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.ListOrders(page_request, metadata=buyer)
    assert reason_of(raised.value) == "INVALID_PAGE_TOKEN"


async def test_orders_are_filtered_by_status_and_time(shop: Shop) -> None:
    buyer = await shop.session("one@example.com")
    async with shop.open() as orders:
        good = await buy(shop, orders, buyer)
        await shop.control("balance", set=0)
        failed = await buy(shop, orders, buyer)

        async def listed(**conditions: Any) -> list[str]:
            wanted = orders_pb2.ListOrdersRequest(filter=orders_pb2.OrderFilter(**conditions))
            return [o.id for o in (await orders.ListOrders(wanted, metadata=buyer)).orders]

        assert await listed(statuses=[orders_pb2.ORDER_STATUS_COMPLETED]) == [good.id]
        assert await listed(statuses=[orders_pb2.ORDER_STATUS_FAILED]) == [failed.id]
        assert await listed(statuses=[orders_pb2.ORDER_STATUS_PROCESSING]) == []
        assert await listed(from_date=failed.created_at) == [failed.id]
        assert await listed(to_date=failed.created_at) == [good.id]
        for nonsense in (
            {"statuses": [orders_pb2.ORDER_STATUS_UNSPECIFIED]},
            {"statuses": [99]},
            {"from_date": Timestamp(seconds=10), "to_date": Timestamp(seconds=10)},
            {"from_date": Timestamp(seconds=10**15)},
        ):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await listed(**nonsense)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_customers_list_uses_an_index(shop: Shop) -> None:
    admin = shop.databases.admin
    await admin.execute(
        "insert into orders.esim_orders (customer_id, plan_id, bundle_name, quantity, unit_price,"
        " total_price, currency, created_at) select md5((n % 200)::text)::uuid, gen_random_uuid(),"
        " 'b', 1, 1, 1, 'USD', now() - n * interval '1 minute' from generate_series(1, 20000) n"
    )
    await admin.execute("analyze orders.esim_orders")
    async with admin.transaction():
        await admin.execute("set local role orders_user")
        await admin.execute(
            "select set_config('request.jwt.claims',"
            " json_build_object('sub', md5('7')::uuid)::text, true)"
        )
        plan = await admin.fetch(
            "explain select id from orders.esim_orders o order by o.created_at desc, o.id desc limit 51"
        )
    text = "\n".join(row[0] for row in plan)
    assert "Index" in text
    assert "Seq Scan" not in text


@pytest.mark.parametrize(
    "statement",
    [
        "update orders.esim_orders set status = 'COMPLETED'",
        "update orders.esim_orders set total_price = 0",
        "insert into orders.order_esims (order_id, iccid, customer_id, position, matching_id,"
        " smdp_address) values (gen_random_uuid(), '8943100000000000017', gen_random_uuid(), 0, '', '')",
        "delete from orders.esim_orders",
        "select operator_detail from orders.esim_orders",
        "select id from orders.order_attempts",
        "select id from orders.order_events",
        "select provider_text from orders.order_revocations",
    ],
)
async def test_the_customer_role_cannot_write_or_read_operator_columns(
    shop: Shop, statement: str
) -> None:
    admin = shop.databases.admin
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with admin.transaction():
            await admin.execute("set local role orders_user")
            await admin.execute(statement)


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("FAILED", "PROCESSING"),
        ("REFUNDED", "COMPLETED"),
        ("CANCELLED", "REFUNDED"),
        ("COMPLETED", "FAILED"),
        ("COMPLETED", "PROCESSING"),
    ],
)
async def test_a_finished_order_cannot_be_reopened(shop: Shop, status: str, change: str) -> None:
    admin = shop.databases.admin
    # A new order can't be inserted as finished either.
    await admin.execute("set session_replication_role = replica")
    order_id = await admin.fetchval(
        "insert into orders.esim_orders (customer_id, plan_id, bundle_name, quantity, unit_price,"
        " total_price, currency, status, recovery_point, provider_reference, failure_reason)"
        " values (gen_random_uuid(), gen_random_uuid(), 'b', 1, 1, 1, 'USD', $1, 'REGISTERED', 'r',"
        " case when $1 = 'FAILED' then 'PAID_BACK' else '' end)"
        " returning id",
        status,
    )
    await admin.execute("set session_replication_role = default")
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(
            "update orders.esim_orders set status = $2 where id = $1", order_id, change
        )


async def test_row_security_applies_to_the_table_owner_too(shop: Shop) -> None:
    forced = await shop.databases.admin.fetch(
        "select relname from pg_class where relnamespace = 'orders'::regnamespace and relkind = 'r'"
        " and not (relrowsecurity and relforcerowsecurity)"
    )
    assert forced == []
