"""Orders, with their statuses, recovery points, and messages for buyers."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from protos import iccid
from services.orders.payments.payment import Choice

# Limits that clients rely on.
MAX_QUANTITY = 10
MAX_REFERENCE = 100
MAX_KEY = 200


class OrderStatus(StrEnum):
    """Order status. NEEDS_REVIEW: only an operator can settle it; customers see it as PROCESSING."""

    PROCESSING = "PROCESSING"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"


class RecoveryPoint(StrEnum):
    """The last step of a purchase that was committed.

    AWAITING_PAYMENT: the customer has to pay, or a person has to look at the order.
    ATTEMPTED: the provider may have been called, and its answer is not recorded.
    PLACED: bought; the eSIMs may still have to be fetched and registered.
    """

    AWAITING_PAYMENT = "AWAITING_PAYMENT"
    CLAIMED = "CLAIMED"
    ATTEMPTED = "ATTEMPTED"
    PLACED = "PLACED"
    REGISTERED = "REGISTERED"


class PaidBy(StrEnum):
    """Who pays for an order. ELSEWHERE: a service charges the customer. CUSTOMER: the order has a payment."""

    NOBODY = "NOBODY"
    ELSEWHERE = "ELSEWHERE"
    CUSTOMER = "CUSTOMER"


class Refund(StrEnum):
    """Where a refund went, as the provider reports it."""

    BALANCE = "BALANCE"
    INVENTORY = "INVENTORY"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A customer's request; two requests under one key must be equal in all fields.

    How a customer wants to pay is no such field, but a repeat may not name another method.
    """

    customer_id: UUID
    plan_id: UUID
    quantity: int
    customer_reference: str
    auto_activate: bool
    idempotency_key: str | None
    esim_id: UUID | None = None  # the customer's own eSIM that gets the plan
    allow_reassign: bool = False
    prevent_duplicates: bool = False
    max_price: Decimal | None = None
    max_total: Decimal | None = None
    currency: str = ""  # of a price list; empty: the first list
    coupon_code: str = ""  # in upper case; empty: none
    limit_currency: str = ""  # of max_price and max_total; empty: that of the order
    payment: Choice | None = None  # None: the request does not say how it is paid

    @property
    def limited(self) -> bool:
        """True if the buyer set a limit for the price."""
        return self.max_price is not None or self.max_total is not None


@dataclass(frozen=True, slots=True)
class Target:
    """The customer's own eSIM that a plan is bought for; `fits` if it is compatible."""

    esim_id: UUID
    iccid: str
    fits: bool


# Fields that an order has from its request, under the same names.
REQUESTED = (
    *("plan_id", "quantity", "customer_reference", "auto_activate", "allow_reassign"),
    *("max_price", "max_total", "coupon_code"),
)


@dataclass(frozen=True, slots=True)
class OrderCost:
    """What an order costs the shop. For staff and the purchase itself; customers never see it.

    `expected` and `charged` are for the whole order, in units of their currencies; `charged` is None until
    the provider has answered. `max_unit` is the greatest cost of one item at which the order may be placed,
    None without a price list. `above` is by how much the charge exceeded the expected cost, None if it did
    not or the order has no price list.
    """

    expected: Decimal
    currency: str
    charged: Decimal | None = None
    charged_currency: str | None = None
    above: Decimal | None = None
    max_unit: Decimal | None = None
    rule_version: int = 0
    exchange_rate: Decimal | None = None
    exchange_rate_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase; money in units of `currency`, times in UTC.

    `cost` is None if it was read through a session, or if the order is older than costs. `sold_plan` is what
    `SoldPlan.to_json` returned, None for older orders.
    """

    id: UUID
    customer_id: UUID
    plan_id: UUID
    bundle_name: str
    quantity: int
    unit_price: Decimal
    total_price: Decimal
    currency: str
    customer_reference: str
    auto_activate: bool
    status: OrderStatus
    recovery_point: RecoveryPoint
    status_reason: str
    provider_reference: str | None
    cancel_requested_at: datetime | None
    created_at: datetime
    updated_at: datetime
    target_esim_id: UUID | None = None
    target_iccid: str | None = None
    allow_reassign: bool = False
    needs_new_esim: bool = False
    reassigned: bool = False
    max_price: Decimal | None = None
    max_total: Decimal | None = None
    failure_reason: str = ""
    price_confirmed_at: datetime | None = None
    charged_above: Decimal | None = None
    price_list: str | None = None
    tax_rate: Decimal = Decimal(0)  # a fraction
    includes_tax: bool = False
    tax_amount: Decimal = Decimal(0)
    tax_country: str = ""  # whose tax rate it is
    discount: Decimal = Decimal(0)
    requested_currency: str = ""
    coupon_code: str = ""
    sold_plan: dict[str, Any] | None = None
    paid_by: PaidBy | None = None
    cost: OrderCost | None = None

    @property
    def limited(self) -> bool:
        """True if the buyer set a limit for the price."""
        return self.max_price is not None or self.max_total is not None

    @property
    def has_payment(self) -> bool:
        """True if the customer pays for the order here."""
        return self.paid_by is PaidBy.CUSTOMER

    @property
    def unpaid(self) -> bool:
        """True if the order waits for its payment, or for a person who looks at it."""
        return (
            self.status is OrderStatus.PROCESSING
            and self.recovery_point is RecoveryPoint.AWAITING_PAYMENT
        )

    @property
    def fixed_price(self) -> bool:
        """True if the price doesn't follow the cost: it comes from a list, or was paid already."""
        return self.price_list is not None or self.has_payment

    @property
    def is_top_up(self) -> bool:
        """True if its bundles were added to an eSIM that the customer had before."""
        return self.target_iccid is not None and not self.reassigned

    @property
    def bound_iccid(self) -> str | None:
        """The eSIM that the provider has to put the bundle on; None for a new one."""
        return None if self.needs_new_esim else self.target_iccid

    def answers(self, request: OrderRequest) -> bool:
        """Return whether the request is equal to that of this order.

        If the first request had no currency, a repeat may have none or the currency of the order.
        """
        return (
            self.target_esim_id == request.esim_id
            and request.currency in (self.requested_currency, self.currency)
            and all(getattr(self, name) == getattr(request, name) for name in REQUESTED)
        )

    @property
    def expected_cost(self) -> OrderCost:
        """The expected cost; for orders from before costs were recorded, the price."""
        return self.cost or OrderCost(self.total_price, self.currency)


@dataclass(frozen=True, slots=True)
class DeliveredESIM:
    """An eSIM that the provider delivered; `smdp_address` is a bare host name."""

    iccid: str
    matching_id: str = field(repr=False)  # a secret of the customer
    smdp_address: str

    @property
    def installable(self) -> bool:
        """True if its install details are known and its ICCID is well-formed."""
        return bool(iccid.FORM.fullmatch(self.iccid) and self.matching_id and self.smdp_address)


class FailureReason(StrEnum):
    """Why an order failed. INSUFFICIENT_BALANCE is about the shop's balance, and shown to operators only."""

    PLAN_UNAVAILABLE = "PLAN_UNAVAILABLE"
    ESIM_INCOMPATIBLE = "ESIM_INCOMPATIBLE"
    PRICE_CHANGED = "PRICE_CHANGED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    NOT_SOLD_NOW = "NOT_SOLD_NOW"
    PROVIDER_UNREACHABLE = "PROVIDER_UNREACHABLE"
    NOT_BOUGHT = "NOT_BOUGHT"
    PAID_BACK = "PAID_BACK"
    PAYMENT_EXPIRED = "PAYMENT_EXPIRED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    PAYMENT_MISMATCH = "PAYMENT_MISMATCH"
    PAYMENT_REJECTED = "PAYMENT_REJECTED"
    CARD_DECLINED = "CARD_DECLINED"
    CANCELLED_BY_CUSTOMER = "CANCELLED_BY_CUSTOMER"


NOT_CHARGED = "You have not been charged."
MESSAGE_NOT_SOLD = f"The shop cannot sell this right now. {NOT_CHARGED}"
MESSAGE_NOT_REACHED = f"The provider could not be reached; please try again later. {NOT_CHARGED}"
MESSAGE_WAITING = "The provider is busy; the order is retried automatically."
MESSAGE_HELD = "The provider accepts no orders at the moment; this one continues automatically."
MESSAGE_UNCLEAR = "The provider's answer was lost; we are checking whether the order was placed."
MESSAGE_DELIVERY = "Bought; the provider is still preparing the eSIMs."
MESSAGE_REGISTERING = "Bought; the eSIMs are being added to your account."
MESSAGE_REVIEW = "Our staff has to check this order; nothing will be charged twice."
MESSAGE_NO_PLAN = f"The provider no longer offers this plan; choose another. {NOT_CHARGED}"
MESSAGE_NO_FIT = f"The plan is not compatible with this eSIM; buy it on a new one. {NOT_CHARGED}"
MESSAGE_ABOVE_LIMIT = f"The price rose above your limit before the purchase. {NOT_CHARGED}"
MESSAGE_PRICE_ROSE = (
    "This plan can't be sold at that price any more; load it again for its current price."
    f" {NOT_CHARGED}"
)
MESSAGE_PRICE_UNKNOWN = (
    "The provider can't confirm the price at the moment; the order is retried soon."
)
MESSAGE_NOT_BOUGHT = f"Our staff found that the order was not placed. {NOT_CHARGED}"
MESSAGE_PAID_BACK = "The provider could not deliver the order, and the price was refunded."
MESSAGE_UNPAID = f"The payment was not made in time. {NOT_CHARGED}"
MESSAGE_NOT_PAYABLE = f"The payment could not be made; please order again. {NOT_CHARGED}"
MESSAGE_MISMATCH = f"The payment does not match the order, so nothing was bought. {NOT_CHARGED}"
MESSAGE_REJECTED = f"The shop did not accept this order. {NOT_CHARGED}"
MESSAGE_DECLINED = f"The card was declined too often; order again with another card. {NOT_CHARGED}"
MESSAGE_CANCELLED_UNPAID = f"The order was cancelled before it was bought. {NOT_CHARGED}"
# Takes the place of NOT_CHARGED if the payment was taken already.
GOES_BACK = "What you paid goes back to you."
MESSAGE_REASSIGNED = (
    "The plan is not compatible with the requested eSIM, so it was delivered on a new one."
)
REFUSED_MESSAGES = {
    FailureReason.PLAN_UNAVAILABLE: MESSAGE_NO_PLAN,
    FailureReason.ESIM_INCOMPATIBLE: MESSAGE_NO_FIT,
    FailureReason.INSUFFICIENT_BALANCE: MESSAGE_NOT_SOLD,
    FailureReason.NOT_SOLD_NOW: MESSAGE_NOT_SOLD,
}
