"""The orders service while its database does not accept writes: error codes, health, and recovery."""

import asyncio

import grpc
import pytest

from kit.db import errors as db_errors
from kit.db import health as db_health
from kit.errors import Failure
from kit.rpc.errors import from_error
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders.__main__ import serve
from tests.component.orders.shop import Shop, patient_channel, reaches, request
from tests.fixtures.patience import PATIENCE, until
from tests.fixtures.rpc.health import NOT_SERVING, SERVING, health

READ_ONLY = """
do $$ begin
    execute format('alter role orders_service in database %I set default_transaction_read_only = on',
        current_database());
end $$;
create temporary table if not exists cut (pid int);
insert into cut select pid from pg_stat_activity
where usename = 'orders_service' and datname = current_database();
select pg_terminate_backend(pid) from cut;
"""
# The server ends connections a moment after the command, and until then they still write.
ENDED = """
select not exists (select from pg_stat_activity a join cut on cut.pid = a.pid)
"""


async def test_a_purchase_during_a_write_outage_is_refused_with_a_reason_and_works_later(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer = await shop.session("b@example.com")
    async with (
        shop.serving(serve, shop.settings) as port,
        patient_channel(port) as channel,
    ):
        orders = orders_pb2_grpc.OrdersServiceStub(channel)

        async def shown(wanted: int) -> bool:
            try:
                return await health(channel, "database") == wanted
            except grpc.aio.AioRpcError:
                return False  # not visible yet

        await until(lambda: shown(SERVING))
        first = await orders.CreateOrder(request(shop), metadata=buyer)
        assert first.order.status == orders_pb2.ORDER_STATUS_COMPLETED
        await shop.databases.admin.execute(READ_ONLY)
        await shop.databases.until(ENDED)

        async def reads() -> bool:
            try:
                listed = await orders.ListOrders(orders_pb2.ListOrdersRequest(), metadata=buyer)
            except grpc.aio.AioRpcError:
                return False  # the connections were just cut
            return [order.id for order in listed.orders] == [first.order.id]

        await until(reads)
        second = request(shop, idempotency_key="second")

        async def refused() -> Failure | None:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await orders.CreateOrder(second, metadata=buyer)
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
            failure = from_error(raised.value)
            # It may get one of the connections that were cut.
            return None if failure.reason == db_errors.UNAVAILABLE else failure

        failure = None
        async with asyncio.timeout(PATIENCE):
            while failure is None:
                failure = await refused()
        assert failure.reason == "DATABASE_READ_ONLY"
        assert "nothing was changed; try again" in failure.message
        await until(lambda: shown(NOT_SERVING))
        assert await health(channel) == SERVING  # stored orders are still shown
        monkeypatch.setattr(db_health, "REMEMBERED", 0.0)
        await shop.databases.admin.execute(READ_ONLY.replace("= on", "= off"))
        await until(lambda: shown(SERVING))
        made = await orders.CreateOrder(second, metadata=buyer)
        await reaches(shop, made.order.id, "COMPLETED")
    assert shop.charges == 2
