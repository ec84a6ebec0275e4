"""Inputs of the staff's operations on payments. Amounts are exact decimal strings."""

from datetime import datetime

import strawberry

from gateway.schema import inputs
from gateway.schema.payments.types import PaymentStatus, RefundDestination
from kit.errors import invalid
from protos.common.v1 import money_pb2


@strawberry.input(
    description="Filter for payments. A payment must match every condition that is set."
)
class PaymentFilter:
    status: list[PaymentStatus] = strawberry.field(
        default_factory=list, description="Only payments with one of these statuses. Empty: all."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only payments of this account."
    )
    from_date: datetime | None = strawberry.field(
        default=None,
        description="Only payments recorded at or after this time. A time without a zone is UTC.",
    )
    to_date: datetime | None = strawberry.field(
        default=None,
        description="Only payments recorded before this time. A time without a zone is UTC.",
    )


@strawberry.input(description="A refund by the finance staff.")
class RefundInput:
    note: str = strawberry.field(
        description="Reason, recorded with the refund; 1 to 500 characters."
    )
    idempotency_key: str = strawberry.field(
        description="Unique key of this refund of the order, up to 200 visible ASCII characters. Repeating a"
        " request with the same key returns the existing refund."
    )
    amount: str | None = strawberry.field(
        default=None,
        description='Amount in `currency` as a decimal string, such as "4.56". Omit to refund everything'
        " that is left.",
    )
    currency: str | None = strawberry.field(
        default=None, description="ISO 4217 code of the order's currency; required with `amount`."
    )
    to: RefundDestination | None = strawberry.field(
        default=None,
        description="Where it goes. Omit: back to where it came from, first to the card.",
    )

    def money(self) -> money_pb2.Money | None:
        """Return the amount, None for everything; raise Failure INVALID."""
        if self.amount is None:
            return None
        if not self.currency:
            raise invalid({"input.currency": "is required, because `amount` is set"})
        return inputs.amount("input.amount", self.amount, self.currency)


@strawberry.input(description="A payment that reached the shop in another way.")
class ReceivedPaymentInput:
    amount: str = strawberry.field(
        description="What was received, as a decimal string; must equal what the customer has to pay."
    )
    currency: str = strawberry.field(description="ISO 4217 code of the amount.")
    reference: str = strawberry.field(
        description="What identifies the payment, such as the text of a bank transfer; 1 to 200 characters."
    )


@strawberry.input(description="A correction of a wallet.")
class WalletCorrectionInput:
    amount: str = strawberry.field(
        description='What to add to the balance, as a decimal string; "-5.00" subtracts.'
    )
    currency: str = strawberry.field(description="ISO 4217 code of the amount.")
    note: str = strawberry.field(
        description="Reason, recorded with the correction; 1 to 500 characters."
    )
    idempotency_key: str = strawberry.field(
        description="Unique key of this correction, up to 200 visible ASCII characters. Repeating a request"
        " with the same key corrects nothing."
    )
    received: bool = strawberry.field(
        default=False,
        description="True if the money reached the shop in another way, such as a bank transfer, or was paid"
        " back in such a way. False: a correction at the shop's expense, such as goodwill or an error.",
    )
