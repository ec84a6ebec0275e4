"""A servicer whose behavior a test sets."""

from collections.abc import Awaitable, Callable
from typing import Any

from kit.auth.sessions import Role
from kit.logs import request_id
from kit.rpc import guard as rpc_guard
from kit.rpc.access import Access, Rule
from kit.rpc.call import time_left
from protos.orders.v1 import orders_pb2, orders_pb2_grpc

DESCRIPTOR = orders_pb2.DESCRIPTOR.services_by_name["OrdersService"]
ACCESS = dict.fromkeys((m.name for m in DESCRIPTOR.methods), Rule(Access.SIGNED_IN)) | {
    "CancelOrder": Rule(Access.ADMIN),
    "ListOrders": Rule(Access.SERVICE),
    "BatchGetOrders": Rule(Access.SUPPORT),
    "QuoteOrder": Rule(Access.FINANCE),
    "ValidateOrder": Rule(Access.PUBLIC),
}
Behaviour = Callable[[], Awaitable[None]]


class Probe(orders_pb2_grpc.OrdersServiceServicer):
    """A servicer whose behavior the test sets."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = self.nothing
        self.roles: list[Role] = []
        self.left: float | None = None
        self.request_ids: list[str] = []

    async def nothing(self) -> None:
        """The usual behaviour."""

    async def _answer(self) -> None:
        self.roles.append(rpc_guard.session().role)
        self.left = time_left()
        self.request_ids.append(request_id.current())
        await self.behaviour()

    async def GetOrder(self, request: Any, context: Any) -> orders_pb2.GetOrderResponse:
        await self._answer()
        return orders_pb2.GetOrderResponse(order=orders_pb2.Order(id=request.order_id))

    async def CancelOrder(self, request: Any, context: Any) -> orders_pb2.CancelOrderResponse:
        await self._answer()
        return orders_pb2.CancelOrderResponse()

    async def ListOrders(self, request: Any, context: Any) -> orders_pb2.ListOrdersResponse:
        await self._answer()
        return orders_pb2.ListOrdersResponse()

    async def BatchGetOrders(self, request: Any, context: Any) -> orders_pb2.BatchGetOrdersResponse:
        await self._answer()
        return orders_pb2.BatchGetOrdersResponse()

    async def QuoteOrder(self, request: Any, context: Any) -> orders_pb2.QuoteOrderResponse:
        await self._answer()
        return orders_pb2.QuoteOrderResponse()

    async def ValidateOrder(self, request: Any, context: Any) -> orders_pb2.ValidateOrderResponse:
        await self._answer()
        return orders_pb2.ValidateOrderResponse()
