"""Events of the payment provider, and payments that they are about."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from kit.values import timestamps
from protos.orders.v1 import payments_pb2 as pb
from tests.component.orders.payments.paid_shop import Open, PaidShop
from tests.component.orders.shop import Metadata


def event(kind: str = "payment_intent.succeeded", **fields: Any) -> pb.PaymentEvent:
    return pb.PaymentEvent(
        id=f"evt_{uuid4().hex}",
        type=kind,
        created_at=timestamps.to_proto(datetime.now(UTC)),
        **fields,
    )


def service_key(shop: PaidShop) -> Metadata:
    return (("authorization", f"Bearer {shop.shop.auth.service_role_key}"),)


async def apply(service: Open, shop: PaidShop, *events: pb.PaymentEvent) -> list[int]:
    answer = await service.payments.ApplyPaymentEvents(
        pb.ApplyPaymentEventsRequest(events=events), metadata=service_key(shop)
    )
    return list(answer.outcomes)


async def unpaid(service: Open, shop: PaidShop, **choice: Any) -> tuple[str, Any]:
    """Return the id of a new order and the row of its payment."""
    buyer = await shop.shop.session("b@example.com")
    answer = await service.orders.CreateOrder(shop.request(**choice), metadata=buyer)
    return answer.order.id, await shop.payment(answer.order.id)
