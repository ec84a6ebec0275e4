"""The gRPC face of the orders service."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from kit import money, page_token, rpc_guard
from kit.auth import Session
from kit.db import Database
from kit.errors import Failure, Kind
from kit.operator_log import Acts
from kit.provider import Priority
from kit.rpc_guard import Access
from protos.orders.v1 import events_pb2, orders_pb2
from services.orders import deliveries, listing, requests, revocations, store, timeline
from services.orders.buyers import Buyers
from services.orders.cancel import Cancellation
from services.orders.cancellable import check_cancellable
from services.orders.claim import Claims
from services.orders.datasource import OrdersDataSource
from services.orders.events import Events
from services.orders.live import Live
from services.orders.messages import (
    esim_to_proto,
    offer_to_proto,
    order_to_proto,
    revocation_to_proto,
    timelines_to_proto,
)
from services.orders.order import (
    WORDS_NOT_SOLD,
    Order,
    OrderRequest,
    OrderStatus,
    cancelled_words,
)
from services.orders.peers import Catalogue
from services.orders.preview import Previews
from services.orders.recovery import Recovery
from services.orders.review import Review
from services.orders.servicer_operators import OperatorCalls

ACCESS: Mapping[str, Access] = {
    "CreateOrder": Access.SIGNED_IN,
    "ValidateOrder": Access.SIGNED_IN,
    "GetOrder": Access.SIGNED_IN,
    "BatchGetOrders": Access.SIGNED_IN,
    "ListOrders": Access.SIGNED_IN,
    "ListOrderAssignments": Access.SIGNED_IN,
    "CancelOrder": Access.SIGNED_IN,
    "ApplyEvents": Access.SERVICE,
    "WatchOrder": Access.SIGNED_IN,
    "BatchGetCancellations": Access.SIGNED_IN,
    "BatchListOrderTimelines": Access.SIGNED_IN,
    "ListStuckOrders": Access.ADMIN,
    "GetOrderHistory": Access.ADMIN,
    "ResumeOrder": Access.ADMIN,
    "ResolveOrder": Access.ADMIN,
    "ListUnexplainedProviderOrders": Access.ADMIN,
    "CreateOrderForCustomer": Access.SERVICE,
    "ExportCustomer": Access.SERVICE,
    "EraseCustomer": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call. Of an erased customer
# the log holds a fingerprint only, which the erasure itself logs.
ACTS: Acts = {
    "CancelOrder": ("order_id", "unused_only"),
    "ResumeOrder": ("order_id",),
    "ResolveOrder": ("order_id", "placed_as", "not_bought", "paid_back"),
    "ExportCustomer": ("customer_id",),
    "EraseCustomer": (),
}
# Seconds of the caller's deadline kept for reading the order and answering.
ANSWER_TIME = 0.5


class OrdersServicer(OperatorCalls):
    """Each method: checks, one call, the answer. Those for operators are in their own file."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        catalogue: Catalogue,
        buyers: Buyers,
        claims: Claims,
        cancellation: Cancellation,
        previews: Previews,
        recovery: Recovery,
        live: Live,
        review: Review,
        *,
        wait: float,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._catalogue = catalogue
        self._buyers = buyers
        self._claims = claims
        self._cancellation = cancellation
        self._previews = previews
        self._recovery = recovery
        self._events = Events(database, recovery.start)
        self._live = live
        self._review = review
        self._wait = wait

    async def CreateOrder(
        self, request: orders_pb2.CreateOrderRequest, context: Any
    ) -> orders_pb2.CreateOrderResponse:
        session = rpc_guard.session()
        customer_id = self._buyers.check(session)
        order, repeated = await self._bought(session, requests.buy(request, customer_id))
        return orders_pb2.CreateOrderResponse(order=order, repeated_request=repeated)

    async def CreateOrderForCustomer(
        self, request: orders_pb2.CreateOrderForCustomerRequest, context: Any
    ) -> orders_pb2.CreateOrderForCustomerResponse:
        session = rpc_guard.session()
        order, repeated = await self._bought(session, requests.buy_for(request))
        return orders_pb2.CreateOrderForCustomerResponse(order=order, repeated_request=repeated)

    async def _bought(
        self, session: Session, request: OrderRequest
    ) -> tuple[orders_pb2.Order, bool]:
        """The order of a request after a bounded wait, and whether an earlier call made it."""
        claimed = await self._claims.claim(session, request)
        order = claimed.order
        if order.status is OrderStatus.PROCESSING:
            order = await self._worked_on(session, order.id)
        return order_to_proto(order, session), claimed.repeated

    async def ValidateOrder(
        self, request: orders_pb2.ValidateOrderRequest, context: Any
    ) -> orders_pb2.ValidateOrderResponse:
        plan_id, quantity = requests.validate(request)
        plan = await self._catalogue.get_plan(plan_id, quantity, rpc_guard.session().token)
        total, currency = plan.price * quantity, plan.currency
        try:
            answer = await self._datasource.validate_order(
                plan.bundle_name, quantity, priority=Priority.READ
            )
        except Failure as failure:
            if failure.kind is not Kind.REFUSED:
                raise
            valid = False
        else:
            valid = answer.valid
            if answer.total is not None:
                total, currency = answer.total, answer.currency or currency
        return orders_pb2.ValidateOrderResponse(
            valid=valid,
            total_price=money.to_proto(total, currency),
            reason="" if valid else WORDS_NOT_SOLD,
        )

    async def GetOrder(
        self, request: orders_pb2.GetOrderRequest, context: Any
    ) -> orders_pb2.GetOrderResponse:
        session = rpc_guard.session()
        order = await self._order(session, requests.order_id(request.order_id))
        return orders_pb2.GetOrderResponse(order=order_to_proto(order, session))

    async def BatchGetOrders(
        self, request: orders_pb2.BatchGetOrdersRequest, context: Any
    ) -> orders_pb2.BatchGetOrdersResponse:
        session = rpc_guard.session()
        ids = requests.order_ids(list(request.order_ids))
        async with self._database.session(session) as connection:
            orders = await store.get(connection, ids)
        return orders_pb2.BatchGetOrdersResponse(
            orders=[order_to_proto(order, session) for order in orders]
        )

    async def ListOrders(
        self, request: orders_pb2.ListOrdersRequest, context: Any
    ) -> orders_pb2.ListOrdersResponse:
        session = rpc_guard.session()
        wanted, size = requests.listing(request, session)
        async with self._database.session(session) as connection:
            # One more than asked tells whether there is a next page.
            orders = await listing.list_orders(connection, wanted, size + 1)
            total = await listing.count_orders(connection, wanted) if request.with_total else 0
        page = orders[:size]
        return orders_pb2.ListOrdersResponse(
            orders=[order_to_proto(order, session) for order in page],
            next_page_token=_after(request, page[-1]) if len(orders) > size else "",
            row_tokens=[_after(request, one) for one in page] if request.with_row_tokens else [],
            total_size=total,
        )

    async def ListOrderAssignments(
        self, request: orders_pb2.ListOrderAssignmentsRequest, context: Any
    ) -> orders_pb2.ListOrderAssignmentsResponse:
        session = rpc_guard.session()
        order = await self._order(session, requests.order_id(request.order_id))
        async with self._database.session(session) as connection:
            esims = await deliveries.of_order(connection, order.id)
        if not esims and order.provider_reference:
            try:
                esims = await self._datasource.get_order_assignments_kept(order.provider_reference)
            except Failure as failure:
                if failure.reason != "PROVIDER_PROCESSING":
                    raise
        if not esims:
            raise Failure(
                Kind.REFUSED,
                "ORDER_NOT_DELIVERED",
                "This order has no eSIMs (yet); look at its status first",
            )
        return orders_pb2.ListOrderAssignmentsResponse(
            assignments=[esim_to_proto(esim) for esim in esims]
        )

    async def CancelOrder(
        self, request: orders_pb2.CancelOrderRequest, context: Any
    ) -> orders_pb2.CancelOrderResponse:
        session = rpc_guard.session()
        order = await self._order(session, requests.order_id(request.order_id))
        check_cancellable(order)
        if order.status is OrderStatus.COMPLETED:
            async with self._database.session(session) as connection:
                esims = await deliveries.of_order(connection, order.id)
            await self._cancellation.request(
                order, esims, session.user_id, unused_only=request.unused_only
            )
            order = await self._worked_on(session, order.id)
        async with self._database.session(session) as connection:
            revoked = await revocations.list_revocations(connection, order.id)
        message = order.status_reason
        if order.status is OrderStatus.COMPLETED and order.cancel_requested_at is not None:
            message = "The order is being cancelled; look at it again soon."
        elif not message:
            message = cancelled_words(revoked)
        return orders_pb2.CancelOrderResponse(
            order=order_to_proto(order, session),
            message=message,
            revoked=[revocation_to_proto(r) for r in revoked if r.state == "REVOKED"],
        )

    async def BatchGetCancellations(
        self, request: orders_pb2.BatchGetCancellationsRequest, context: Any
    ) -> orders_pb2.BatchGetCancellationsResponse:
        ids = requests.order_ids(list(request.order_ids), requests.MOST_CANCELLATIONS)
        async with self._database.session(rpc_guard.session()) as connection:
            orders = await store.get(connection, ids)
            esims = await deliveries.of_orders(connection, [order.id for order in orders])
        found = {order.id: (order, esims[order.id]) for order in orders}
        offers = await self._previews.offers(found, self._seconds_left())
        return orders_pb2.BatchGetCancellationsResponse(
            cancellations=[offer_to_proto(found[id_][0], offer) for id_, offer in offers.items()]
        )

    async def WatchOrder(
        self, request: orders_pb2.WatchOrderRequest, context: Any
    ) -> AsyncIterator[orders_pb2.WatchOrderResponse]:
        session = rpc_guard.session()
        async for order in self._live.watch(session, requests.order_id(request.order_id)):
            yield orders_pb2.WatchOrderResponse(order=order_to_proto(order, session))

    async def ApplyEvents(
        self, request: events_pb2.ApplyEventsRequest, context: Any
    ) -> events_pb2.ApplyEventsResponse:
        return await self._events.apply(request)

    async def BatchListOrderTimelines(
        self, request: orders_pb2.BatchListOrderTimelinesRequest, context: Any
    ) -> orders_pb2.BatchListOrderTimelinesResponse:
        ids = requests.order_ids(list(request.order_ids))
        async with self._database.session(rpc_guard.session()) as connection:
            seen = [order.id for order in await store.get(connection, ids)]
        # Sessions can't read the steps; these orders are the caller's to see.
        async with self._database.system() as connection:
            entries = await timeline.list_entries(connection, seen)
        return orders_pb2.BatchListOrderTimelinesResponse(timelines=timelines_to_proto(entries))

    async def _order(self, session: Session, order_id: UUID) -> Order:
        """Row security decides: another customer's order isn't there."""
        async with self._database.session(session) as connection:
            found = await store.get(connection, [order_id])
        if not found:
            raise Failure(
                Kind.NOT_FOUND, "ORDER_NOT_FOUND", "There is no such order among yours; list them"
            )
        return found[0]

    async def _worked_on(self, session: Session, order_id: UUID) -> Order:
        """The order after the work on it ended, or after a bounded wait; the work goes on then."""
        await self._recovery.wait(order_id, self._seconds_left())
        return await self._order(session, order_id)

    def _seconds_left(self) -> float:
        """How long a call may wait for others, so that its answer is in time."""
        left = rpc_guard.time_left()
        return self._wait if left is None else min(self._wait, left - ANSWER_TIME)


def _after(request: orders_pb2.ListOrdersRequest, order: Order) -> str:
    """The token that goes on after the order."""
    return page_token.write(requests.listed(request), [order.created_at.isoformat(), str(order.id)])
