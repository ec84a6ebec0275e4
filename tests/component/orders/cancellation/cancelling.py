"""Orders that are bought and cancelled, and previews of cancellations."""

from typing import Any

from protos.orders.v1 import orders_pb2
from tests.component.orders.shop import Metadata, Shop, request

REFUNDED = orders_pb2.ORDER_STATUS_REFUNDED


async def bought(shop: Shop, orders: Any, buyer: Metadata, quantity: int = 1) -> orders_pb2.Order:
    answer = await orders.CreateOrder(request(shop, quantity=quantity), metadata=buyer)
    assert answer.order.status == orders_pb2.ORDER_STATUS_COMPLETED
    order: orders_pb2.Order = answer.order
    return order


def cancel(orders: Any, order: orders_pb2.Order, buyer: Metadata) -> Any:
    return orders.CancelOrder(orders_pb2.CancelOrderRequest(order_id=order.id), metadata=buyer)


def assignments(shop: Shop, order: orders_pb2.Order) -> list[Any]:
    """The order's bundles at the provider."""
    return [a for a in shop.sandbox.world.assignments if a.reference.startswith(order.reference)]


def states(shop: Shop, order: orders_pb2.Order) -> list[str]:
    """The states of the order's bundles at the provider."""
    return [one.state for one in assignments(shop, order)]


WHOLE = orders_pb2.CANCELLATION_EXTENT_WHOLE


async def previews(orders: Any, who: Metadata, *ids: str) -> dict[str, Any]:
    answer = await orders.BatchGetCancellations(
        orders_pb2.BatchGetCancellationsRequest(order_ids=ids), metadata=who
    )
    return {found.order_id: found for found in answer.cancellations}


async def preview(orders: Any, who: Metadata, order: orders_pb2.Order) -> Any:
    return (await previews(orders, who, order.id))[order.id]
