"""Coupons: whether one applies to an order, and what it subtracts. Pure: reads no database and no clock."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from kit.errors import Failure, Kind
from kit.values import currencies, money
from kit.values.margin import Terms

HUNDRED = Decimal(100)


class CouponReason(StrEnum):
    """Why a coupon is refused. NOT_VALID hides whether the code is unknown, disabled, expired or used up."""

    NOT_VALID = "COUPON_NOT_VALID"
    NOT_APPLICABLE = "COUPON_NOT_APPLICABLE"


MESSAGE_NOT_VALID = (
    "This coupon code is unknown, expired or used up; check the code, or order without it"
)
# Also used if the price would fall below the least price, because customers must not recognize that reason.
MESSAGE_NOT_THIS_ORDER = (
    "This coupon does not apply to this plan in this quantity; choose another plan, or order"
    " without it"
)
MESSAGE_FIRST_PURCHASE = (
    "This coupon is for the first purchase of a customer only; order without it"
)
MESSAGE_USED_BY_CUSTOMER = (
    "This customer has used this coupon as often as is allowed; order without it"
)
# For staff only: it reveals how the price relates to the cost.
MESSAGE_BELOW_LEAST_PRICE = (
    "The discount would take the price below the least price of the plan, which is its cost if there are no"
    " price lists; a coupon with a maximum loss may do so"
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the shop defines about a coupon. Amounts are in `currency`, which is None if there are none.

    The reduction is either `percent` (15 is 15 %) or `amount`. A plan must meet each of `plans` (ids or
    bundle names), `groups` and `countries` that isn't empty. Limits that are None don't exist. Without
    `max_loss` the least price of the plan is kept.
    """

    code: str
    percent: Decimal | None = None
    amount: Decimal | None = None
    currency: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    plans: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    minimum: Decimal | None = None
    max_uses: int | None = None
    max_uses_per_customer: int | None = None
    budget: Decimal | None = None
    first_purchase_only: bool = False
    max_loss: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon and its use.

    `used` orders are completed, with discounts of `spent` in all; `reserved` orders are unfinished, with
    discounts of `reserved_amount`. Orders that were cancelled without a refund still count as completed.
    """

    id: UUID
    rules: Rules
    disabled: bool
    used: int
    reserved: int
    spent: Decimal
    reserved_amount: Decimal
    created_at: datetime
    created_by: str


class Purchase(Protocol):
    """An order, or a request for one."""

    @property
    def customer_id(self) -> UUID: ...

    @property
    def organization_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose purchases count for the limits of a coupon: an organization, or a person for themself.

    An organization is one customer, whichever of its members and API keys buys.
    """

    id: UUID
    is_organization: bool

    @classmethod
    def of(cls, purchase: Purchase) -> "Customer":
        """Return the customer of a purchase."""
        organization_id = purchase.organization_id
        if organization_id is None:
            return cls(purchase.customer_id, is_organization=False)
        return cls(organization_id, is_organization=True)


@dataclass(frozen=True, slots=True)
class Sale:
    """What a customer wants to buy. `price` and `cost` are for one; the cost is in its own currency.

    `least_price` is the least price of one that keeps the minimum margin; None if no price does.
    """

    plan_id: UUID
    bundle_name: str
    group: str
    countries: frozenset[str]
    quantity: int
    price: Decimal
    currency: str
    terms: Terms
    cost: Decimal
    least_price: Decimal | None

    @property
    def subtotal(self) -> Decimal:
        """The price of all, before the discount."""
        return self.price * self.quantity


def discount_of(
    coupon: Coupon | None, sale: Sale, now: datetime, *, staff: bool = False
) -> Decimal:
    """Return what the coupon subtracts from the subtotal; `coupon` is None if the code is unknown.

    Raises Failure REFUSED (COUPON_NOT_VALID, COUPON_NOT_APPLICABLE). Limits per customer are checked at
    the purchase. With `staff`, the message says if the least price is the reason.
    """
    if coupon is None or not is_valid(coupon, sale, now):
        raise not_valid()
    rules = coupon.rules
    if rules.currency not in (None, sale.currency):
        raise not_applicable(
            f"This coupon applies to orders in {rules.currency} only; order in that currency, or without it"
        )
    if not _fits_plan(rules, sale):
        raise not_applicable(MESSAGE_NOT_THIS_ORDER)
    if rules.minimum is not None and sale.subtotal < rules.minimum:
        raise not_applicable(
            f"This coupon applies to orders of at least {money.plain(rules.minimum)} {rules.currency}; order"
            " more, or without it"
        )
    discount = reduction(rules, sale.subtotal, sale.currency)
    if not keeps_floor(rules, sale, discount):
        raise not_applicable(MESSAGE_BELOW_LEAST_PRICE if staff else MESSAGE_NOT_THIS_ORDER)
    return discount


def is_valid(coupon: Coupon, sale: Sale, now: datetime) -> bool:
    """Return whether the coupon can still be used at all; its budget must cover this order's discount."""
    rules = coupon.rules
    if coupon.disabled or (rules.starts_at or now) > now:
        return False
    if rules.ends_at is not None and rules.ends_at <= now:
        return False
    if rules.max_uses is not None and coupon.used + coupon.reserved >= rules.max_uses:
        return False
    if rules.budget is None:
        return True
    taken = coupon.spent + coupon.reserved_amount
    if rules.currency != sale.currency:  # the caller refuses it because of its currency
        return taken < rules.budget
    return taken + reduction(rules, sale.subtotal, sale.currency) <= rules.budget


def reduction(rules: Rules, subtotal: Decimal, currency: str) -> Decimal:
    """Return the discount, rounded once (half up) to the digits of the currency, and at most the subtotal."""
    if rules.percent is None:
        return min(rules.amount or Decimal(0), subtotal)
    return min(currencies.rounded(subtotal * rules.percent / HUNDRED, currency), subtotal)


def keeps_floor(rules: Rules, sale: Sale, discount: Decimal) -> bool:
    """Return whether the order keeps the least price, or its loss is one that the coupon allows."""
    rest = sale.subtotal - discount
    if sale.least_price is not None and rest >= sale.least_price * sale.quantity:
        return True
    if rules.max_loss is None:
        return False
    loss = -sale.terms.margin(rest, sale.cost * sale.quantity)
    return loss <= rules.max_loss


def not_valid() -> Failure:
    """Return the refusal of a code that can't be used by anyone."""
    return Failure(Kind.REFUSED, CouponReason.NOT_VALID, MESSAGE_NOT_VALID)


def not_applicable(message: str) -> Failure:
    """Return the refusal of a valid code that doesn't apply to this order or customer."""
    return Failure(Kind.REFUSED, CouponReason.NOT_APPLICABLE, message)


def normalized(code: str) -> str:
    """Return a code as it is stored: codes are case-insensitive."""
    text = code.strip()
    return text.upper() if text.isascii() else text


def _fits_plan(rules: Rules, sale: Sale) -> bool:
    named = {str(sale.plan_id), sale.bundle_name}
    return (
        (not rules.plans or not rules.plans.isdisjoint(named))
        and (not rules.groups or sale.group in rules.groups)
        and (not rules.countries or (bool(sale.countries) and sale.countries <= rules.countries))
    )
