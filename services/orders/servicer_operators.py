"""The calls of administrators and services to the orders service: stuck orders, reviews, customers' data."""

from collections.abc import AsyncIterator
from datetime import timedelta

from kit.auth import api_keys
from kit.db.database import Database
from kit.errors import invalid
from kit.rpc import guard as rpc_guard
from kit.values import checks, timestamps
from protos.orders.v1 import orders_pb2 as pb
from services.orders import customer_store, messages, requests
from services.orders.operators import history_store
from services.orders.operators.review import Review
from services.orders.organizations.callers import actor
from services.orders.organizations.departures import Departures


class Operations:
    """Checks requests of operators, and carries them out."""

    def __init__(self, database: Database, review: Review, departures: Departures) -> None:
        self._database = database
        self._departures = departures
        self._review = review

    async def list_stuck_orders(
        self, request: pb.ListStuckOrdersRequest
    ) -> pb.ListStuckOrdersResponse:
        age, size = requests.stuck(request)
        held_until = self._review.held_until
        if held_until is not None:
            age = timedelta()  # every unfinished order waits for the provider
        async with self._database.system() as connection:
            stuck = await history_store.list_stuck(connection, age, size)
        return pb.ListStuckOrdersResponse(
            orders=[messages.stuck_to_proto(one, rpc_guard.session()) for one in stuck],
            provider_held_until=timestamps.to_proto(held_until),
        )

    async def get_order_history(
        self, request: pb.GetOrderHistoryRequest
    ) -> pb.GetOrderHistoryResponse:
        found = await self._review.history(checks.one_id("order_id", request.order_id))
        return messages.history_to_proto(found, rpc_guard.session())

    async def resume_order(self, request: pb.ResumeOrderRequest) -> pb.ResumeOrderResponse:
        order_id, note = requests.resume(request)
        stuck = await self._review.resume(order_id, actor(), note)
        return pb.ResumeOrderResponse(order=messages.stuck_to_proto(stuck, rpc_guard.session()))

    async def resolve_order(self, request: pb.ResolveOrderRequest) -> pb.ResolveOrderResponse:
        order_id, resolution, reference, note = requests.resolve(request)
        stuck = await self._review.resolve(order_id, resolution, reference, actor(), note)
        return pb.ResolveOrderResponse(order=messages.stuck_to_proto(stuck, rpc_guard.session()))

    async def list_unexplained_provider_orders(
        self, request: pb.ListUnexplainedProviderOrdersRequest
    ) -> pb.ListUnexplainedProviderOrdersResponse:
        size = requests.page_size(request.page_size)
        async with self._database.system() as connection:
            found = await history_store.list_unexplained(connection, size)
        return pb.ListUnexplainedProviderOrdersResponse(
            orders=map(messages.unexplained_to_proto, found)
        )

    async def export_customer(
        self, request: pb.ExportCustomerRequest
    ) -> AsyncIterator[pb.ExportCustomerResponse]:
        customer_id = checks.one_id("customer_id", request.customer_id)
        for table, row in await customer_store.export(self._database, customer_id):
            yield pb.ExportCustomerResponse(table=table, row_json=row)

    async def erase_customer(self, request: pb.EraseCustomerRequest) -> pb.EraseCustomerResponse:
        customer_id = checks.one_id("customer_id", request.customer_id)
        if api_keys.is_id(customer_id):
            # Reports count what it bought as bought by an API key, and would not any more.
            text = "is the id of an API key, which is no person: its orders are its organization's"
            raise invalid({"customer_id": text})
        await customer_store.check(self._database, customer_id)
        await self._departures.end_all(customer_id)
        erased = await customer_store.erase(self._database, customer_id)
        return pb.EraseCustomerResponse(orders=erased.orders, iccids=erased.iccids)
