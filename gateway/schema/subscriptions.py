"""Subscriptions. Each sends the current state first, and then every change."""

from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime
from itertools import count

import strawberry

from gateway.execution.auth import auth_subscription
from gateway.execution.columns import computed, enum, optional, timestamp
from gateway.execution.views import View, read
from gateway.schema.esims.operations import MAX_ESIMS, ESIMIdArgument
from gateway.schema.esims.types import ESIM, ESIMStatus, ProfileStatus
from gateway.schema.orders.orders import Order, OrderIdArgument
from gateway.schema.organizations.batches import BatchSubscription
from gateway.upstream.context import Info
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2


@strawberry.type(name="ESIMStatusUpdate", description="Status and data usage of an eSIM.")
class ESIMStatusUpdate(View):
    esim_id: strawberry.ID = read("esim.id", description="The eSIM's id.")
    status: ESIMStatus = read(
        enum("esim.status", ESIMStatus, esims_pb2.ESIMStatus, "ESIM_STATUS_"),
        description="Lifecycle status.",
    )
    profile_status: ProfileStatus | None = read(
        computed(lambda watched: ESIM.of(watched.esim).profile_status),
        description="Installation status of the profile; null until the provider reports one. If"
        " the provider sends no callback for an install, the platform polls for it after"
        " 5, 10, 20, ... and then every 300 s.",
    )
    data_used: float | None = read(
        optional("data_used_mb"),
        description="Data used, in MB, base 10, of the active and unused bundles or, if there are"
        " none, of the bundle that ended last; null if unlimited or unknown for any"
        " of them.",
    )
    data_remaining: float | None = read(
        optional("data_remaining_mb"),
        description="Data left, in MB, base 10, of the same bundles; null if unlimited or unknown"
        " for any of them.",
    )
    deletion_date: datetime | None = read(
        computed(lambda watched: ESIM.of(watched.esim).deletion_date),
        description="When the provider will delete the eSIM because it is unused; null if no deletion is"
        " announced.",
    )
    updated_at: datetime = read(
        timestamp("updated_at"), description="When any of these values was last confirmed."
    )
    proto: strawberry.Private[esims_pb2.WatchedESIM]


@strawberry.type(
    description="Subscriptions over WebSocket (graphql-transport-ws) or server-sent events. The"
    " first event is the current state. A slow client receives the latest state"
    " without the intermediate ones."
)
class Subscription(BatchSubscription):
    @auth_subscription(
        name="esimStatusUpdated",
        description="Lifecycle status, installation status and data usage of one eSIM. Fails with"
        " NOT_FOUND if the id is unknown or belongs to another customer.",
    )
    async def esim_status_updated(
        self, info: Info, esim_id: ESIMIdArgument
    ) -> AsyncGenerator[ESIMStatusUpdate, None]:
        request = esims_pb2.WatchESIMsRequest(esim_ids=[esim_id])
        method = info.context.peers.esims.WatchESIMs
        async for changed in info.context.watch(method, request, _esims):
            for one in changed:
                yield ESIMStatusUpdate.of(one)

    @auth_subscription(
        name="myESIMsUpdated",
        description="The caller's own eSIMs. The first event contains all of them, at most the"
        f" newest {MAX_ESIMS}; each later event contains those that changed, including new"
        " ones.",
    )
    async def my_esims_updated(self, info: Info) -> AsyncGenerator[list[ESIM], None]:
        request = esims_pb2.WatchESIMsRequest(customer_id=info.context.own_id())
        method = info.context.peers.esims.WatchESIMs
        async for changed in info.context.watch(method, request, _esims):
            info.context.spend(len(changed))
            yield [ESIM.of(one.esim) for one in changed]

    @auth_subscription(
        description="One order, until the client ends the subscription: even a completed order"
        " can still be cancelled. Fails with NOT_FOUND if the id is unknown or"
        " belongs to another customer."
    )
    async def order_updated(
        self, info: Info, order_id: OrderIdArgument
    ) -> AsyncGenerator[Order, None]:
        request = orders_pb2.WatchOrderRequest(order_id=order_id)
        method = info.context.peers.orders.WatchOrder
        async for orders in info.context.watch(method, request, _orders()):
            for _, order in orders:
                yield Order.of(order)


def _esims(message: esims_pb2.WatchESIMsResponse) -> Iterator[tuple[str, esims_pb2.WatchedESIM]]:
    return ((watched.esim.id, watched) for watched in message.esims)


def _orders() -> Callable[
    [orders_pb2.WatchOrderResponse], Iterator[tuple[str, tuple[int, orders_pb2.Order]]]
]:
    """Return what reads the order of a message. Each message about an order with a payment is a change.

    If only the payment changed, which the event loads, the order equals that of the message before.
    """
    numbers = count(1)

    def read(
        message: orders_pb2.WatchOrderResponse,
    ) -> Iterator[tuple[str, tuple[int, orders_pb2.Order]]]:
        number = next(numbers) if message.order.has_payment else 0
        yield message.order.id, (number, message.order)

    return read
