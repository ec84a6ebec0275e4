"""Schema types of payments, their refunds, and how a customer wants to pay."""

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import strawberry

from gateway.execution.columns import (
    enum,
    exact_amount,
    float_amount,
    optional_time,
    text,
    timestamp,
)
from gateway.execution.views import View, listed, loaded, read
from gateway.upstream.context import Context
from protos.orders.v1 import payments_pb2

if TYPE_CHECKING:
    from gateway.schema.orders.orders import Order

# Lazy, because the two types refer to each other.
LazyOrder = Annotated["Order", strawberry.lazy("gateway.schema.orders.orders")]

STAFF_ONLY = " Visible to staff only; always null for customers."
RETURN_URL = (
    "Absolute https URL of the shop, or http for localhost. With it, the customer pays on the payment"
    " provider's page at `redirectUrl`, which leads back to this URL; without it, the page of the shop pays"
    " with `clientSecret`."
)
SAVE = "True saves the card: the payment provider's page then offers it for later payments of this customer."


@strawberry.enum(description="How an order is paid.")
class PaymentMethod(Enum):
    CARD = strawberry.enum_value("CARD", description="By card, through the payment provider.")
    WALLET = strawberry.enum_value(
        "WALLET", description="From the customer's prepaid balance in the order's currency."
    )
    MANUAL = strawberry.enum_value(
        "MANUAL",
        description="In another way, such as a bank transfer. The finance staff records the payment.",
    )
    INVOICE = strawberry.enum_value(
        "INVOICE",
        description="On account: by the monthly statement of an organization whose billing is INVOICE.",
    )


@strawberry.enum(description="Status of a payment.")
class PaymentStatus(Enum):
    REQUIRES_ACTION = strawberry.enum_value(
        "REQUIRES_ACTION", description="The customer has to pay, until `expiresAt`."
    )
    HELD = strawberry.enum_value(
        "HELD",
        description="Authorized or paid; a person reviews the order before it is bought. Customers see"
        " AUTHORIZED.",
    )
    AUTHORIZED = strawberry.enum_value(
        "AUTHORIZED",
        description="The amount is reserved. It is taken when the eSIMs are delivered.",
    )
    PAID = strawberry.enum_value("PAID", description="The amount was taken.")
    RELEASED = strawberry.enum_value(
        "RELEASED",
        description="Nothing was taken, or everything is given back because the order failed.",
    )
    PARTIALLY_REFUNDED = strawberry.enum_value(
        "PARTIALLY_REFUNDED", description="The amount was taken, and a part of it refunded."
    )
    REFUNDED = strawberry.enum_value("REFUNDED", description="Everything was refunded.")


@strawberry.enum(description="Where a refund goes.")
class RefundDestination(Enum):
    CARD = strawberry.enum_value("CARD", description="Back to the card.")
    WALLET = strawberry.enum_value("WALLET", description="To the customer's prepaid balance.")
    MANUAL = strawberry.enum_value(
        "MANUAL", description="Paid back by the finance staff in another way."
    )
    INVOICE = strawberry.enum_value(
        "INVOICE",
        description="Reduces what the organization owes. The only destination for orders on account.",
    )


@strawberry.enum(description="State of a refund.")
class RefundState(Enum):
    PENDING = strawberry.enum_value("PENDING", description="Recorded; not settled yet.")
    SUCCEEDED = strawberry.enum_value(
        "SUCCEEDED",
        description="Settled. A bank can still return the money weeks later; the state is FAILED then.",
    )
    FAILED = strawberry.enum_value(
        "FAILED", description="The money could not be returned in this way."
    )


@strawberry.type(description="A refund of a payment.")
class Refund(View):
    id: strawberry.ID = read("id", description="A UUID.")
    amount: float = read(float_amount("amount"), description="Refunded amount.")
    amount_exact: str = read(
        exact_amount("amount"),
        description='The exact amount as a decimal string, such as "4.56".',
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of the amount.")
    destination: RefundDestination | None = read(
        enum(
            "destination",
            RefundDestination,
            payments_pb2.RefundDestination,
            "REFUND_DESTINATION_",
            optional=True,
        ),
        description="Where the money goes.",
    )
    state: RefundState = read(
        enum("state", RefundState, payments_pb2.RefundState, "REFUND_STATE_"),
        description="State of the refund.",
    )
    reason: str = read(
        "reason", description="NOT_DELIVERED, CANCELLED, STAFF or FRAUD_WARNING; more may be added."
    )
    created_at: datetime = read(
        timestamp("created_at"), description="When the refund was recorded."
    )
    settled_at: datetime | None = read(
        optional_time("settled_at"),
        description="When it succeeded or failed; null while it is pending.",
    )
    note: str | None = read(text("note"), description="Note of the staff." + STAFF_ONLY)
    failure: str | None = read(text("failure"), description="Why it failed." + STAFF_ONLY)
    requested_by: str | None = read(
        text("requested_by"), description="Account that requested it." + STAFF_ONLY
    )
    proto: strawberry.Private[payments_pb2.Refund]


@strawberry.type(description="Payment of an order, or of a top-up of a wallet.")
class Payment(View):
    id: strawberry.ID = read("id", description="A UUID.")
    status: PaymentStatus = read(
        enum("status", PaymentStatus, payments_pb2.PaymentStatus, "PAYMENT_STATUS_"),
        description="Status of the payment.",
    )
    method: PaymentMethod = read(
        enum("method", PaymentMethod, payments_pb2.PaymentMethod, "PAYMENT_METHOD_"),
        description="How it is paid. With CARD, `walletAmount` may pay a part.",
    )
    amount: float = read(float_amount("amount"), description="What the customer has to pay.")
    amount_exact: str = read(
        exact_amount("amount"),
        description='The exact amount as a decimal string, such as "4.56".',
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of all amounts.")
    wallet_amount: float | None = read(
        float_amount("wallet_amount", optional=True),
        description="What the wallet pays of the amount; null if nothing.",
    )
    wallet_amount_exact: str | None = read(
        exact_amount("wallet_amount", optional=True),
        description="The exact part of the wallet as a decimal string; null if nothing.",
    )
    captured: float = read(float_amount("captured"), description="What was taken.")
    captured_exact: str = read(
        exact_amount("captured"), description="The exact amount taken, as a decimal string."
    )
    refunded: float = read(
        float_amount("refunded"),
        description="Sum of all refunds that have not failed, with pending ones.",
    )
    refunded_exact: str = read(
        exact_amount("refunded"), description="The exact sum of refunds as a decimal string."
    )
    client_secret: str | None = read(
        text("client_secret"),
        description="Secret with which the page of the shop lets the customer pay, through the payment"
        " provider's library. Only in answers of `purchaseESIM`, `resumePayment`, `topUpWallet` and `topUp`;"
        " otherwise null. Don't store or log it.",
    )
    redirect_url: str | None = read(
        text("redirect_url"),
        description="The payment provider's page on which the customer pays. Present in the same answers as"
        " `clientSecret`, if the request contained a return URL.",
    )
    expires_at: datetime | None = read(
        optional_time("expires_at"),
        description="When an unpaid order fails; null once it is paid.",
    )
    failure: str | None = read(
        text("failure"),
        description="Why the last attempt to pay failed, described for the customer; null if none did.",
    )
    card_last4: str | None = read(
        text("card_last4"), description="Last four digits of the card; null if not known."
    )
    created_at: datetime = read(
        timestamp("created_at"), description="When the payment was recorded."
    )
    refunds: list[Refund] = listed("refunds", Refund, description="Refunds, the oldest first.")
    order: LazyOrder | None = loaded(
        "orders", "order_id", LazyOrder | None, description="The order; null for a top-up."
    )
    customer_id: strawberry.ID | None = read(
        text("customer_id"), description="Account that pays." + STAFF_ONLY
    )
    held_reason: str | None = read(
        text("held_reason"),
        description="Why a person has to review the order before it is bought." + STAFF_ONLY,
    )
    detail: str | None = read(text("detail"), description="Details for operators." + STAFF_ONLY)
    capture_before: datetime | None = read(
        optional_time("capture_before"), description="When the card's hold ends." + STAFF_ONLY
    )
    intent_id: str | None = read(
        text("intent_id"), description="The payment provider's id of the payment." + STAFF_ONLY
    )
    disputed: bool = read(
        "disputed",
        description="True if the cardholder contests the payment. Visible to staff only; always false for"
        " customers.",
    )
    proto: strawberry.Private[payments_pb2.Payment]


@strawberry.type(description="What the customer gets back by cancelling an order now.")
class Refundable(View):
    amount: float = read(float_amount("amount"), description="Amount of the refund; 0 if nothing.")
    amount_exact: str = read(
        exact_amount("amount"),
        description='The exact amount as a decimal string, such as "4.56".',
    )
    currency: str = read("amount.currency_code", description="ISO 4217 code of the amount.")
    until: datetime | None = read(
        optional_time("until"),
        description="Until when; null if there is no end, or nothing to give back.",
    )
    reason: str | None = read(
        text("reason"),
        description="Why it is less than was paid, such as INSTALLED, USED, WINDOW_OVER, FEE,"
        " ALREADY_REFUNDED, NOTHING_PAID (a coupon covered the price), NOT_CAPTURED or CREDITED (the order's"
        " statement has a credit note, which leaves less than the order would give back); null if it is"
        " everything.",
    )
    message: str | None = read(
        text("message"), description="Human-readable explanation; null if there is none."
    )
    proto: strawberry.Private[payments_pb2.Refundable]


@strawberry.input(description="How the customer pays.")
class PaymentInput:
    method: PaymentMethod = strawberry.field(description="How the order is paid.")
    use_wallet: bool = strawberry.field(
        default=False,
        description="With CARD: the customer's prepaid balance pays first, and the card pays the rest.",
    )
    return_url: str | None = strawberry.field(
        default=None, description="Only with CARD. " + RETURN_URL
    )
    save_payment_method: bool = strawberry.field(
        default=False, description="Only with CARD. " + SAVE
    )

    def to_proto(self, context: Context) -> payments_pb2.PaymentChoice:
        """Return the service's message, with the client's address for its limits."""
        return payments_pb2.PaymentChoice(
            method=payments_pb2.PaymentMethod.Value(f"PAYMENT_METHOD_{self.method.name}"),
            use_wallet=self.use_wallet,
            return_url=self.return_url or "",
            save_payment_method=self.save_payment_method,
            client_address=context.caller.address() or "",
        )
