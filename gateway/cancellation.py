"""What could be cancelled of an order, and what would be refunded, in the schema."""

from enum import Enum

import strawberry

from gateway.readings import Column, exactly, filled, member
from gateway.views import View, listed, read
from kit import money
from protos.orders.v1 import orders_pb2


@strawberry.enum(description="Where the money of a cancelled bundle went.")
class RefundResult(Enum):
    BALANCE = strawberry.enum_value("BALANCE", description="To the balance.")
    INVENTORY = strawberry.enum_value(
        "INVENTORY", description="To the inventory, for a later order."
    )
    NONE = strawberry.enum_value("NONE", description="The provider gave nothing back.")

    @classmethod
    def of(cls, refund: "orders_pb2.RefundResult.ValueType") -> "RefundResult | None":
        """None where the refund is not known."""
        name = orders_pb2.RefundResult.Name(refund).removeprefix("REFUND_RESULT_")
        return cls[name] if refund else None


@strawberry.enum(description="How much of an order can be cancelled.")
class CancellationExtent(Enum):
    WHOLE = strawberry.enum_value(
        "WHOLE", description="All of it: nobody used any. `cancelOrder` cancels it."
    )
    UNUSED_PART = strawberry.enum_value(
        "UNUSED_PART",
        description="Only what nobody used: `cancelOrder` cancels that with `unusedOnly: true`.",
    )
    NOTHING = strawberry.enum_value("NOTHING", description="Nothing; `code` says why.")
    UNKNOWN = strawberry.enum_value(
        "UNKNOWN", description="The provider did not answer in time; ask again later."
    )


@strawberry.type(description="A bundle that a cancellation would take off its eSIM.")
class CancellableBundle(View):
    iccid: str = read("iccid", description="The eSIM's ICCID.")
    refund: RefundResult | None = read(
        Column(lambda messages: [RefundResult.of(message.refund) for message in messages]),
        description="Where its money would go; null where the provider doesn't say beforehand.",
    )
    proto: strawberry.Private[orders_pb2.RevokedAssignment]


@strawberry.type(
    description="What `cancelOrder` would do to an order now, by the provider's own validation."
)
class OrderCancellation(View):
    extent: CancellationExtent = read(
        member("extent", CancellationExtent, orders_pb2.CancellationExtent, "CANCELLATION_EXTENT_"),
        description="How much of the order can be cancelled.",
    )
    code: str | None = read(
        filled("code"),
        description="Why not the whole order, for programs, such as ORDER_IN_USE; null when it is"
        " the whole order.",
    )
    reason: str | None = read(filled("message"), description="The same in words.")
    bundles: list[CancellableBundle] = listed(
        "bundles", CancellableBundle, description="The bundles that would be taken off eSIMs."
    )
    refund_total: float = read(
        exactly(lambda found: money.nearest_float(found.refund_total)),
        description="What would be refunded to the balance, as far as the provider says it; refunds"
        " to the inventory are no money.",
    )
    refund_total_exact: str = read(
        exactly(lambda found: money.text(found.refund_total)),
        description='The exact amount as a decimal, such as "4.56".',
    )
    currency: str = read("refund_total.currency_code", description='ISO 4217, such as "USD".')
    proto: strawberry.Private[orders_pb2.OrderCancellation]
