"""The calls of the orders service that are for operators."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from kit import money, rpc_guard, timestamps
from kit.checks import Checks
from kit.db import Database
from protos.orders.v1 import orders_pb2, orders_pb2_grpc
from services.orders import customer, history, requests
from services.orders.history import Stuck
from services.orders.messages import order_to_proto
from services.orders.provider_order import ProviderOrder
from services.orders.review import Resolution, Review

# Seconds. Longer than a purchase takes that only waits for a slow provider, ten minutes by its guide.
USUAL_AGE = 900
# Seconds; a week.
MOST_AGE = 7 * 86_400
USUAL_PAGE = 50
MOST_PAGE = 500
MOST_NOTE = 500
# Characters; the provider's references are UUIDs.
MOST_REFERENCE = 100


class OperatorCalls(orders_pb2_grpc.OrdersServiceServicer):
    """Each method: checks, one call, the answer. The guard lets administrators and services in."""

    _database: Database
    _review: Review

    async def ListStuckOrders(
        self, request: orders_pb2.ListStuckOrdersRequest, context: Any
    ) -> orders_pb2.ListStuckOrdersResponse:
        checks = Checks()
        age = checks.between(
            "older_than_seconds", request.older_than_seconds or USUAL_AGE, 1, MOST_AGE
        )
        size = checks.page_size(request.page_size, USUAL_PAGE, MOST_PAGE)
        checks.done()
        held_until = self._review.held_until
        if held_until is not None:
            age = 0  # whatever is not finished waits for the provider
        async with self._database.system() as connection:
            stuck = await history.list_stuck(connection, timedelta(seconds=age), size)
        return orders_pb2.ListStuckOrdersResponse(
            orders=map(_stuck_to_proto, stuck),
            provider_held_until=timestamps.to_proto(held_until) if held_until else None,
        )

    async def GetOrderHistory(
        self, request: orders_pb2.GetOrderHistoryRequest, context: Any
    ) -> orders_pb2.GetOrderHistoryResponse:
        found = await self._review.history(requests.order_id(request.order_id))
        return orders_pb2.GetOrderHistoryResponse(
            order=_stuck_to_proto(found.stuck),
            attempts=[
                orders_pb2.OrderAttempt(
                    outcome=made.outcome,
                    started_at=timestamps.to_proto(made.started_at),
                    ended_at=timestamps.to_proto(made.ended_at) if made.ended_at else None,
                )
                for made in found.attempts
            ],
            steps=[
                orders_pb2.OrderStep(
                    at=timestamps.to_proto(step.at),
                    from_status=step.from_status or "",
                    to_status=step.to_status,
                    actor=step.actor,
                    reason=step.reason,
                    note=step.note,
                )
                for step in found.steps
            ],
            candidates=[
                _provider_order_to_proto(c, str(found.owners.get(c.reference, "")))
                for c in found.candidates
            ],
            candidates_error=found.candidates_error,
        )

    async def ResumeOrder(
        self, request: orders_pb2.ResumeOrderRequest, context: Any
    ) -> orders_pb2.ResumeOrderResponse:
        checks = Checks()
        order_id = checks.uuid("order_id", request.order_id)
        note = checks.words("note", request.note, MOST_NOTE)
        checks.done()
        stuck = await self._review.resume(order_id, _actor(), note)
        return orders_pb2.ResumeOrderResponse(order=_stuck_to_proto(stuck))

    async def ResolveOrder(
        self, request: orders_pb2.ResolveOrderRequest, context: Any
    ) -> orders_pb2.ResolveOrderResponse:
        checks = Checks()
        order_id = checks.uuid("order_id", request.order_id)
        note = checks.words("note", request.note, MOST_NOTE)
        if not note:
            checks.fail("note", "must say what was found out and how")
        which = request.WhichOneof("resolution")
        if which is None or not getattr(request, which):
            checks.fail("resolution", "must be placed_as a reference, not_bought, or paid_back")
        reference = checks.words("placed_as", request.placed_as, MOST_REFERENCE)
        checks.done()
        stuck = await self._review.resolve(
            order_id, Resolution(which or ""), reference, _actor(), note
        )
        return orders_pb2.ResolveOrderResponse(order=_stuck_to_proto(stuck))

    async def ListUnexplainedProviderOrders(
        self, request: orders_pb2.ListUnexplainedProviderOrdersRequest, context: Any
    ) -> orders_pb2.ListUnexplainedProviderOrdersResponse:
        checks = Checks()
        size = checks.page_size(request.page_size, USUAL_PAGE, MOST_PAGE)
        checks.done()
        async with self._database.system() as connection:
            found = await history.list_unexplained(connection, size)
        return orders_pb2.ListUnexplainedProviderOrdersResponse(
            orders=[
                orders_pb2.ProviderOrder(
                    reference=u.reference,
                    created_at=timestamps.to_proto(timestamps.believable(u.created_at)),
                    bundle_name=u.bundle_name,
                    quantity=u.quantity,
                    total_price=money.to_proto(u.total, u.currency or "")
                    if u.total is not None
                    else None,
                    source_address=u.source_address,
                    iccids=u.iccids,
                )
                for u in found
            ]
        )

    async def ExportCustomer(
        self, request: orders_pb2.ExportCustomerRequest, context: Any
    ) -> AsyncIterator[orders_pb2.ExportCustomerResponse]:
        checks = Checks()
        customer_id = checks.uuid("customer_id", request.customer_id)
        checks.done()
        for table, row in await customer.export(self._database, customer_id):
            yield orders_pb2.ExportCustomerResponse(table=table, row_json=row)

    async def EraseCustomer(
        self, request: orders_pb2.EraseCustomerRequest, context: Any
    ) -> orders_pb2.EraseCustomerResponse:
        checks = Checks()
        customer_id = checks.uuid("customer_id", request.customer_id)
        checks.done()
        erased = await customer.erase(self._database, customer_id)
        return orders_pb2.EraseCustomerResponse(orders=erased.orders, iccids=erased.iccids)


def _actor() -> str:
    return str(rpc_guard.session().user_id or "service")


def _stuck_to_proto(stuck: Stuck) -> orders_pb2.StuckOrder:
    next_look = stuck.next_look_at
    return orders_pb2.StuckOrder(
        order=order_to_proto(stuck.order, rpc_guard.session()),
        recovery_point=stuck.order.recovery_point,
        detail=stuck.detail,
        next_look_at=timestamps.to_proto(next_look) if next_look else None,
    )


def _provider_order_to_proto(found: ProviderOrder, owner: str) -> orders_pb2.ProviderOrder:
    return orders_pb2.ProviderOrder(
        reference=found.reference,
        created_at=timestamps.to_proto(found.created_at),
        bundle_name=found.item or "",
        quantity=found.quantity,
        total_price=money.to_proto(found.total, found.currency or "")
        if found.total is not None
        else None,
        source_address=found.source_address,
        iccids=sorted(found.iccids),
        order_id=owner,
    )
