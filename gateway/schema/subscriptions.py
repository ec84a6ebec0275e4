"""Subscriptions. Each sends the current state first, and then every change."""

from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from typing import Self

import strawberry

from gateway.execution.auth import auth_subscription
from gateway.schema.esim_operations import MAX_ESIMS, ESIMIdArgument
from gateway.schema.esims import ESIM, ESIMStatus, ProfileStatus
from gateway.schema.orders import Order, OrderIdArgument
from gateway.upstream.context import Info
from kit.values import timestamps
from protos.esims.v1 import esims_pb2
from protos.orders.v1 import orders_pb2


@strawberry.type(name="ESIMStatusUpdate", description="Status and data usage of an eSIM.")
class ESIMStatusUpdate:
    esim_id: strawberry.ID = strawberry.field(description="The eSIM's id.")
    status: ESIMStatus = strawberry.field(description="Lifecycle status.")
    profile_status: ProfileStatus | None = strawberry.field(
        description="Installation status of the profile; null until the provider reports one. If"
        " the provider sends no callback for an install, it is polled for after 5,"
        " 10, 20, ... and then every 300 s."
    )
    data_used: float | None = strawberry.field(
        description="Data used, in MB, base 10, of the active and unused bundles or, if there are"
        " none, of the bundle that ended last; null if unlimited or unknown for any"
        " of them."
    )
    data_remaining: float | None = strawberry.field(
        description="Data left, in MB, base 10, of the same bundles; null if unlimited or unknown"
        " for any of them."
    )
    deletion_date: datetime | None = strawberry.field(
        description="When the provider will delete the eSIM because it is unused; null if no deletion is"
        " announced."
    )
    updated_at: datetime = strawberry.field(
        description="When any of these values was last confirmed."
    )

    @classmethod
    def of(cls, watched: esims_pb2.WatchedESIM) -> Self:
        esim = ESIM.of(watched.esim)
        return cls(
            esim_id=esim.id,
            status=esim.status,
            profile_status=esim.profile_status,
            data_used=watched.data_used_mb if watched.HasField("data_used_mb") else None,
            data_remaining=(
                watched.data_remaining_mb if watched.HasField("data_remaining_mb") else None
            ),
            deletion_date=esim.deletion_date,
            updated_at=timestamps.from_proto(watched.updated_at),
        )


@strawberry.type(
    description="Subscriptions over WebSocket (graphql-transport-ws) or server-sent events. The"
    " first event is the current state. A slow client receives the latest state"
    " without the intermediate ones."
)
class Subscription:
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
        async for orders in info.context.watch(method, request, _order):
            for order in orders:
                yield Order.of(order)


def _esims(message: esims_pb2.WatchESIMsResponse) -> Iterator[tuple[str, esims_pb2.WatchedESIM]]:
    return ((watched.esim.id, watched) for watched in message.esims)


def _order(message: orders_pb2.WatchOrderResponse) -> Iterator[tuple[str, orders_pb2.Order]]:
    yield message.order.id, message.order
