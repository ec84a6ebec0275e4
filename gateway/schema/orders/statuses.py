"""Schema types of the status of an order, and of its history."""

from datetime import datetime
from enum import Enum

import strawberry

from gateway.execution.columns import enum, timestamp
from gateway.execution.views import View, read
from protos.orders.v1 import orders_pb2


@strawberry.enum(description="Status of an order.")
class OrderStatus(Enum):
    PROCESSING = strawberry.enum_value(
        "PROCESSING",
        description="Recorded; waiting for the payment, for the provider's answer or for the eSIMs.",
    )
    COMPLETED = strawberry.enum_value(
        "COMPLETED", description="Paid, and the eSIMs were delivered."
    )
    FAILED = strawberry.enum_value(
        "FAILED", description="Failed; nothing was charged, or it is given back."
    )
    CANCELLED = strawberry.enum_value(
        "CANCELLED", description="Cancelled after payment, without a refund of the whole price."
    )
    REFUNDED = strawberry.enum_value(
        "REFUNDED",
        description="Cancelled, and refunded: to the customer who paid here, otherwise by the provider.",
    )


STATUS = enum("status", OrderStatus, orders_pb2.OrderStatus, "ORDER_STATUS_")


@strawberry.type(description="A step in the history of an order, as shown to the customer.")
class TimelineEntry(View):
    at: datetime = read(timestamp("at"), description="When the step happened.")
    status: OrderStatus = read(STATUS, description="Status of the order after this step.")
    message: str = read("message", description="Human-readable description of the step.")
    proto: strawberry.Private[orders_pb2.TimelineEntry]
