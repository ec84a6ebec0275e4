"""The orders service while its database does not accept writes: error codes, health, and recovery."""

import grpc
import pytest

from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders.__main__ import serve
from tests.component.orders.shop import Shop, reaches, request
from tests.fixtures.patience import until
from tests.fixtures.rpc.health import NOT_SERVING, SERVING, health

READ_ONLY = """
do $$ begin
    execute format('alter role orders_service in database %I set default_transaction_read_only = on',
        current_database());
end $$;
select pg_terminate_backend(pid) from pg_stat_activity
where usename = 'orders_service' and datname = current_database();
"""


async def test_a_purchase_during_a_write_outage_is_refused_with_a_reason_and_works_later(
    shop: Shop,
) -> None:
    buyer = await shop.session("b@example.com")
    async with (
        shop.serving(serve, shop.settings) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        orders = orders_pb2_grpc.OrdersServiceStub(channel)

        async def shown(wanted: int) -> bool:
            try:
                return await health(channel, "database") == wanted
            except grpc.aio.AioRpcError:
                return False  # not visible yet

        await until(lambda: shown(SERVING))
        first = await orders.CreateOrder(request(shop), metadata=buyer)
        await shop.databases.admin.execute(READ_ONLY)

        async def reads() -> bool:
            try:
                listed = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=buyer)
            except grpc.aio.AioRpcError:
                return False  # the connections were just cut
            return [order.id for order in listed.orders] == [first.order.id]

        await until(reads)
        second = request(shop, idempotency_key="second")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await orders.CreateOrder(second, metadata=buyer)
        failure = from_error(raised.value)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
        assert failure.reason == "DATABASE_READ_ONLY"
        assert "nothing was changed; try again" in failure.message
        await until(lambda: shown(NOT_SERVING))
        assert await health(channel) == SERVING  # stored orders are still shown
        await shop.databases.admin.execute(READ_ONLY.replace("= on", "= off"))
        await until(lambda: shown(SERVING))
        made = await orders.CreateOrder(second, metadata=buyer)
        await reaches(shop, made.order.id, "COMPLETED")
    assert shop.charges == 2
