"""The circuit breaker of the provider in a service's health, beside the service's own status."""

import asyncio

import grpc

from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders.__main__ import serve
from tests.component.orders.shop import Shop, patient_channel
from tests.fixtures.patience import until
from tests.fixtures.rpc.health import NOT_SERVING, SERVING, health


async def test_an_open_circuit_is_reported_while_the_service_is_healthy(shop: Shop) -> None:
    async with (
        shop.serving(serve, shop.settings) as port,
        patient_channel(port) as channel,
    ):

        async def shown(wanted: int) -> bool:
            try:
                return await health(channel, "provider") == wanted
            except grpc.aio.AioRpcError:
                return False  # not visible yet

        await until(lambda: shown(SERVING))
        await shop.fault(method="*", path="/*", status=500, count=0)
        orders = orders_pb2_grpc.OrdersServiceStub(channel)
        buyer = await shop.session("b@example.com")
        request = orders_pb2.ValidateOrderRequest(plan_id=shop.plan_id, quantity=1)
        await asyncio.gather(
            *(orders.ValidateOrder(request, metadata=buyer) for _ in range(10)),
            return_exceptions=True,
        )
        await until(lambda: shown(NOT_SERVING))
        assert await health(channel) == SERVING
