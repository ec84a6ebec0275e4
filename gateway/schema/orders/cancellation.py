"""Schema types for the cancellation of orders and its refunds."""

from enum import Enum

import strawberry

from gateway.execution.columns import Column, enum, exact_amount, float_amount, text
from gateway.execution.views import View, listed, read
from protos.orders.v1 import orders_pb2


@strawberry.enum(description="Refund of a cancelled bundle.")
class RefundResult(Enum):
    BALANCE = strawberry.enum_value(
        "BALANCE", description="Refunded to the shop's balance at the provider."
    )
    INVENTORY = strawberry.enum_value(
        "INVENTORY",
        description="Returned to the shop's inventory at the provider, for use by a later order.",
    )
    NONE = strawberry.enum_value("NONE", description="Not refunded by the provider.")

    @classmethod
    def of(cls, refund: "orders_pb2.RefundResult.ValueType") -> "RefundResult | None":
        """Convert a refund; None if it is unknown."""
        name = orders_pb2.RefundResult.Name(refund).removeprefix("REFUND_RESULT_")
        return cls[name] if refund else None


@strawberry.enum(description="The part of an order that can be cancelled.")
class CancellationExtent(Enum):
    WHOLE = strawberry.enum_value(
        "WHOLE", description="The whole order: none of it has been used. `cancelOrder` cancels it."
    )
    UNUSED_PART = strawberry.enum_value(
        "UNUSED_PART",
        description="Only the unused part: `cancelOrder` cancels that part with `unusedOnly: true`.",
    )
    NOTHING = strawberry.enum_value(
        "NOTHING", description="Nothing can be cancelled; `code` contains the reason."
    )
    UNKNOWN = strawberry.enum_value(
        "UNKNOWN", description="The provider did not answer in time; try again later."
    )


@strawberry.type(description="A bundle that a cancellation would revoke from its eSIM.")
class CancellableBundle(View):
    iccid: str = read("iccid", description="ICCID of the eSIM.")
    refund: RefundResult | None = read(
        Column(lambda messages: [RefundResult.of(message.refund) for message in messages]),
        description="Expected refund; null if the provider doesn't report it in advance.",
    )
    proto: strawberry.Private[orders_pb2.RevokedAssignment]


@strawberry.type(
    description="Preview of what `cancelOrder` would do to an order now, according to the provider's own"
    " validation."
)
class OrderCancellation(View):
    extent: CancellationExtent = read(
        enum("extent", CancellationExtent, orders_pb2.CancellationExtent, "CANCELLATION_EXTENT_"),
        description="The part of the order that can be cancelled.",
    )
    code: str | None = read(
        text("code"),
        description="Machine-readable reason why the whole order can't be cancelled, such as"
        " ORDER_IN_USE; null if it can.",
    )
    reason: str | None = read(
        text("message"),
        description="Human-readable reason why the whole order can't be cancelled; null if it can.",
    )
    bundles: list[CancellableBundle] = listed(
        "bundles",
        CancellableBundle,
        description="The bundles that would be revoked from their eSIMs.",
    )
    refund_total: float = read(
        float_amount("refund_total"),
        description="Amount that would be refunded to the balance, as far as the provider reports"
        " it in advance. Refunds to the inventory are not included.",
    )
    refund_total_exact: str = read(
        exact_amount("refund_total"),
        description='The exact refund as a decimal string, such as "4.56".',
    )
    currency: str = read(
        "refund_total.currency_code", description='ISO 4217 currency code, such as "USD".'
    )
    proto: strawberry.Private[orders_pb2.OrderCancellation]
