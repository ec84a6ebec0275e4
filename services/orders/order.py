"""Orders, with their statuses, recovery points, and messages for buyers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from protos import iccid
from services.orders.payment import Choice

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
    """The last committed step of a purchase.

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

    `payment` is not compared, but a repeat may not name another payment method.
    """

    customer_id: UUID
    plan_id: UUID
    quantity: int
    customer_reference: str
    auto_activate: bool
    idempotency_key: str | None
    esim_id: UUID | None = None  # the existing eSIM to add the plan to; None: new eSIMs
    allow_reassign: bool = False
    prevent_duplicates: bool = False
    max_price: Decimal | None = None
    max_total: Decimal | None = None
    currency: str = (
        ""  # the currency to pay in, which selects the price list; empty: the first list
    )
    coupon_code: str = ""  # the code is in upper case; empty: no coupon
    limit_currency: str = ""  # the currency of max_price and max_total; empty: that of the order
    payment: Choice | None = None  # how the customer pays; None: the request does not say
    organization_id: UUID | None = None  # the organization to buy for; None: the customer themself
    group_id: UUID | None = None
    most: Decimal | None = None  # the maximum total of an order of a batch; None: not of a batch
    reservation: UUID | None = (
        None  # the planned order of a batch, which already reserved the budgets
    )

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
    *("max_price", "max_total", "coupon_code", "organization_id", "group_id"),
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

    `cost` is None if the order was read through a session, or is older than the recording of costs.
    `sold_plan` is the plan as `SoldPlan.to_json` returned it; None for older orders.
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
    tax_rate: Decimal = Decimal(0)  # the rate is a fraction: 0.19 for 19 %
    includes_tax: bool = False
    tax_amount: Decimal = Decimal(0)
    tax_country: str = ""  # the country whose tax rate applies; empty: no tax
    discount: Decimal = Decimal(0)
    requested_currency: str = ""
    coupon_code: str = ""
    sold_plan: dict[str, Any] | None = None
    paid_by: PaidBy | None = None
    organization_id: UUID | None = None
    group_id: UUID | None = None
    batch_order_id: UUID | None = None  # the planned order of a batch that this order carries out
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
    def in_batch(self) -> bool:
        """True if the order belongs to a batch, so no client waits for its result."""
        return self.batch_order_id is not None

    @property
    def fixed_price(self) -> bool:
        """True if the price can't follow the cost: it is from a price list, or the customer pays here."""
        return self.price_list is not None or self.has_payment

    @property
    def capped(self) -> bool:
        """True if the price follows the cost up to a limit of the buyer, or to the price of a batch's row."""
        return not self.fixed_price and (self.limited or self.in_batch)

    @property
    def is_top_up(self) -> bool:
        """True if its bundles were added to an eSIM that the customer had before."""
        return self.target_iccid is not None and not self.reassigned

    @property
    def bound_iccid(self) -> str | None:
        """The eSIM that the provider has to put the bundle on; None for a new one."""
        return None if self.needs_new_esim else self.target_iccid

    def answers(self, request: OrderRequest) -> bool:
        """Return whether the request equals the one that created this order.

        If the first request had no currency, a repeat may have none or the currency of the order.
        """
        return (
            self.target_esim_id == request.esim_id
            and self.batch_order_id == request.reservation
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


def is_complete(order: Order, esims: Sequence[DeliveredESIM]) -> bool:
    """Return whether exactly what the order bought has been delivered.

    For an eSIM that the customer already has, ICCIDs are enough; new eSIMs also need install details.
    """
    if order.bound_iccid is not None:
        return bool(esims) and all(iccid.FORM.fullmatch(esim.iccid) for esim in esims)
    return len(esims) == order.quantity and all(esim.installable for esim in esims)
