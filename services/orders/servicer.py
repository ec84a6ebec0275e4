"""The gRPC methods of the orders service."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

from kit.auth.sessions import Session
from kit.db.database import Database
from kit.rpc import guard as rpc_guard
from kit.rpc.call import Context, time_left
from kit.values import checks, money
from protos.orders.v1 import events_pb2, orders_pb2_grpc
from protos.orders.v1 import orders_pb2 as pb
from services.orders import delivery_store, messages, requests, store
from services.orders.callbacks.apply import Events
from services.orders.cancellation import revocation_store
from services.orders.cancellation.cancel import Cancellation
from services.orders.cancellation.check import check_cancellable
from services.orders.cancellation.preview import Previews
from services.orders.datasource import OrdersDataSource
from services.orders.listing import find, list_orders, timeline_store
from services.orders.listing.list_assignments import list_assignments
from services.orders.live import Live
from services.orders.order import Order, OrderRequest, OrderStatus
from services.orders.payments.wiring import PaymentParts
from services.orders.purchase.buyers import Buyers
from services.orders.purchase.claim import Claims
from services.orders.purchase.offers import Offers
from services.orders.purchase.repeats import Claimed
from services.orders.recovery.recover import Recovery
from services.orders.servicer_operators import Operations
from services.orders.status_reasons import MESSAGE_NOT_SOLD

# Seconds of the caller's deadline reserved for reading the order and answering.
ANSWER_TIME = 0.5


class OrdersServicer(orders_pb2_grpc.OrdersServiceServicer):
    """Checks requests, and returns only what the caller's session may see."""

    def __init__(
        self,
        database: Database,
        datasource: OrdersDataSource,
        buyers: Buyers,
        claims: Claims,
        offers: Offers,
        cancellation: Cancellation,
        previews: Previews,
        recovery: Recovery,
        payments: PaymentParts,
        live: Live,
        operations: Operations,
        *,
        wait: float,
    ) -> None:
        self._database = database
        self._datasource = datasource
        self._buyers = buyers
        self._claims = claims
        self._offers = offers
        self._cancellation = cancellation
        self._previews = previews
        self._recovery = recovery
        self._payments = payments
        self._events = Events(database, recovery.start)
        self._live = live
        self._operations = operations
        self._wait = wait

    async def CreateOrder(
        self, request: pb.CreateOrderRequest, context: Context
    ) -> pb.CreateOrderResponse:
        session = rpc_guard.session()
        customer_id = self._buyers.check(session, request.organization_id)
        bought = await self._buy(session, requests.buy(request, customer_id))
        return pb.CreateOrderResponse(
            order=messages.order_to_proto(bought.order, session),
            repeated_request=bought.repeated,
            payment=await self._payments.paying.started(session, bought.order, bought.payment),
        )

    async def CreateOrderForCustomer(
        self, request: pb.CreateOrderForCustomerRequest, context: Context
    ) -> pb.CreateOrderForCustomerResponse:
        session = rpc_guard.session()
        bought = await self._buy(session, requests.buy_for(request))
        return pb.CreateOrderForCustomerResponse(
            order=messages.order_to_proto(bought.order, session), repeated_request=bought.repeated
        )

    async def _buy(self, session: Session, request: OrderRequest) -> Claimed:
        """Claim the order and wait a bounded time for it.

        An unpaid order is returned at once: its client has to pay first.
        """
        claimed = await self._claims.claim(session, request)
        if claimed.order.status is OrderStatus.PROCESSING and not claimed.order.unpaid:
            order = await self._wait_for_work(session, claimed.order.id)
        else:
            [order] = await find.with_costs(self._database, session, [claimed.order])
        return replace(claimed, order=order)

    async def QuoteOrder(
        self, request: pb.QuoteOrderRequest, context: Context
    ) -> pb.QuoteOrderResponse:
        wanted = requests.quote(request, rpc_guard.session().user_id)
        return messages.offer_to_quote(await self._offers.offer(wanted))

    async def ValidateOrder(
        self, request: pb.ValidateOrderRequest, context: Context
    ) -> pb.ValidateOrderResponse:
        found = await self._offers.validate(*requests.validate(request))
        return pb.ValidateOrderResponse(
            valid=found.valid,
            total_price=money.to_proto(found.total, found.currency),
            reason="" if found.valid else MESSAGE_NOT_SOLD,
        )

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> pb.GetOrderResponse:
        session = rpc_guard.session()
        order = await find.one(self._database, session, checks.one_id("order_id", request.order_id))
        return pb.GetOrderResponse(order=messages.order_to_proto(order, session))

    async def BatchGetOrders(
        self, request: pb.BatchGetOrdersRequest, context: Context
    ) -> pb.BatchGetOrdersResponse:
        session = rpc_guard.session()
        ids = checks.ids("order_ids", request.order_ids, requests.MAX_BATCH)
        async with self._database.session(session) as connection:
            orders = await store.get(connection, ids)
        orders = await find.with_costs(self._database, session, orders)
        return pb.BatchGetOrdersResponse(
            orders=[messages.order_to_proto(order, session) for order in orders]
        )

    async def ListOrders(
        self, request: pb.ListOrdersRequest, context: Context
    ) -> pb.ListOrdersResponse:
        session = rpc_guard.session()
        wanted, size = requests.listing(request, session)
        criteria = await list_orders.as_member(self._database, session, wanted)
        async with self._database.session(session) as connection:
            # One more than requested, to find out if there is a next page.
            orders = await list_orders.list_orders(connection, criteria, size + 1)
            total = (
                await list_orders.count_orders(connection, criteria) if request.with_total else 0
            )
        page = await find.with_costs(self._database, session, orders[:size])
        return pb.ListOrdersResponse(
            orders=[messages.order_to_proto(order, session) for order in page],
            next_page_token=requests.next_page(request, page[-1]) if len(orders) > size else "",
            row_tokens=[requests.next_page(request, one) for one in page]
            if request.with_row_tokens
            else [],
            total_size=total,
        )

    async def ListOrderAssignments(
        self, request: pb.ListOrderAssignmentsRequest, context: Context
    ) -> pb.ListOrderAssignmentsResponse:
        session = rpc_guard.session()
        order = await find.own(self._database, session, checks.one_id("order_id", request.order_id))
        esims = await list_assignments(self._database, self._datasource, session, order)
        return pb.ListOrderAssignmentsResponse(
            assignments=[messages.esim_to_proto(esim) for esim in esims]
        )

    async def CancelOrder(
        self, request: pb.CancelOrderRequest, context: Context
    ) -> pb.CancelOrderResponse:
        session = rpc_guard.session()
        order = await find.own(self._database, session, checks.one_id("order_id", request.order_id))
        if order.unpaid and await self._payments.decisions.cancel(order, session):
            order = await find.one(self._database, session, order.id)
            return messages.cancellation_to_proto(order, [], session)
        check_cancellable(order)
        if order.status is OrderStatus.COMPLETED:
            async with self._database.session(session) as connection:
                esims = await delivery_store.of_order(connection, order.id)
            await self._cancellation.request(
                order,
                esims,
                session,
                unused_only=request.unused_only,
                by_staff=find.is_admin(session),
            )
            order = await self._wait_for_work(session, order.id)
        async with self._database.session(session) as connection:
            revoked = await revocation_store.list_revocations(connection, order.id)
        return messages.cancellation_to_proto(order, revoked, session)

    async def BatchGetCancellations(
        self, request: pb.BatchGetCancellationsRequest, context: Context
    ) -> pb.BatchGetCancellationsResponse:
        session = rpc_guard.session()
        ids = checks.ids("order_ids", request.order_ids, requests.MAX_CANCELLATIONS)
        async with self._database.session(session) as connection:
            seen = await store.get(connection, ids)
            orders = [order for order in seen if find.is_own(order, session)]
            esims = await delivery_store.of_orders(connection, [order.id for order in orders])
        found = {order.id: (order, esims[order.id]) for order in orders}
        by_staff = find.is_admin(session)
        offers = await self._previews.offers(found, self._seconds_left(), by_staff=by_staff)
        return pb.BatchGetCancellationsResponse(
            cancellations=[
                messages.offer_to_proto(found[id_][0], offer) for id_, offer in offers.items()
            ]
        )

    async def WatchOrder(
        self, request: pb.WatchOrderRequest, context: Context
    ) -> AsyncIterator[pb.WatchOrderResponse]:
        session = rpc_guard.session()
        async for order in self._live.watch(session, checks.one_id("order_id", request.order_id)):
            yield pb.WatchOrderResponse(order=messages.order_to_proto(order, session))

    async def ApplyEvents(
        self, request: events_pb2.ApplyEventsRequest, context: Context
    ) -> events_pb2.ApplyEventsResponse:
        return await self._events.apply(request)

    async def BatchListOrderTimelines(
        self, request: pb.BatchListOrderTimelinesRequest, context: Context
    ) -> pb.BatchListOrderTimelinesResponse:
        ids = checks.ids("order_ids", request.order_ids, requests.MAX_BATCH)
        async with self._database.session(rpc_guard.session()) as connection:
            seen = [order.id for order in await store.get(connection, ids)]
        # Row security hides steps from sessions: read them as the system, for orders that the caller may see.
        async with self._database.system() as connection:
            entries = await timeline_store.list_entries(connection, seen)
        return pb.BatchListOrderTimelinesResponse(timelines=messages.timelines_to_proto(entries))

    async def ListStuckOrders(
        self, request: pb.ListStuckOrdersRequest, context: Context
    ) -> pb.ListStuckOrdersResponse:
        return await self._operations.list_stuck_orders(request)

    async def GetOrderHistory(
        self, request: pb.GetOrderHistoryRequest, context: Context
    ) -> pb.GetOrderHistoryResponse:
        return await self._operations.get_order_history(request)

    async def ResumeOrder(
        self, request: pb.ResumeOrderRequest, context: Context
    ) -> pb.ResumeOrderResponse:
        return await self._operations.resume_order(request)

    async def ResolveOrder(
        self, request: pb.ResolveOrderRequest, context: Context
    ) -> pb.ResolveOrderResponse:
        return await self._operations.resolve_order(request)

    async def ListUnexplainedProviderOrders(
        self, request: pb.ListUnexplainedProviderOrdersRequest, context: Context
    ) -> pb.ListUnexplainedProviderOrdersResponse:
        return await self._operations.list_unexplained_provider_orders(request)

    async def ExportCustomer(
        self, request: pb.ExportCustomerRequest, context: Context
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        async for row in self._operations.export_customer(request):
            yield row

    async def EraseCustomer(
        self, request: pb.EraseCustomerRequest, context: Context
    ) -> pb.EraseCustomerResponse:
        return await self._operations.erase_customer(request)

    async def _wait_for_work(self, session: Session, order_id: UUID) -> Order:
        """Wait a bounded time for the work on an order of the caller, and return the order.

        Unfinished work continues.
        """
        ended = await self._recovery.wait(order_id, self._seconds_left())
        if ended is not None:
            return find.without_cost(ended, session)
        return await find.one(self._database, session, order_id)

    def _seconds_left(self) -> float:
        """Return how many seconds a call may wait for work and still respond before its deadline."""
        left = time_left()
        return self._wait if left is None else min(self._wait, left - ANSWER_TIME)
