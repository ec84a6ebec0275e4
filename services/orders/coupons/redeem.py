"""Finds the discount of an order's coupon, and reserves the coupon in the transaction of the claim.

The database commits or releases a reserved coupon when the order changes its status (migration 041).
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection, Database
from services.orders.coupons import store
from services.orders.coupons.coupon import (
    MESSAGE_FIRST_PURCHASE,
    MESSAGE_USED_BY_CUSTOMER,
    Coupon,
    Customer,
    Sale,
    discount_of,
    not_applicable,
    not_valid,
)
from services.orders.order import Order, OrderRequest
from services.orders.plan import Plan


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon subtracts from an order, with the digits of its currency; no coupon subtracts nothing."""

    amount: Decimal = Decimal(0)
    coupon: Coupon | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When the coupon ends, if it does."""
        return self.coupon.rules.ends_at if self.coupon else None


NO_DISCOUNT = Discount()


class Discounts:
    """Finds and reserves the coupons of orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, request: OrderRequest, plan: Plan) -> Discount:
        """Return the discount of the request's coupon; none without a code.

        Raises Failure REFUSED (COUPON_NOT_VALID, COUPON_NOT_APPLICABLE). Changes nothing: another order may
        use up the coupon before `reserve`.
        """
        if not request.coupon_code:
            return NO_DISCOUNT
        sale = sale_of(request.plan_id, plan, request.quantity)
        async with self._database.system() as connection:
            coupon = await store.find(connection, request.coupon_code)
            amount = discount_of(coupon, sale, self._database.now())
            customer = Customer.of(request)
            # A service that requests a quote names no customer.
            if coupon is not None and customer.id.int:
                await _check_customer(connection, coupon, customer)
        return Discount(amount, coupon)

    async def check(self, code: str, sale: Sale, *, staff: bool) -> Decimal:
        """Return what a coupon subtracts for anyone; raises Failure as `find` does.

        The same statements run for every code, so that the time of the answer reveals nothing. With
        `staff`, the message may reveal that the least price is the reason.
        """
        async with self._database.system() as connection:
            coupon = await store.find(connection, code)
        return discount_of(coupon, sale, self._database.now(), staff=staff)

    async def reserve(self, connection: Connection, order: Order, discount: Discount) -> None:
        """Reserve the coupon of an order that was claimed in the same transaction.

        The caller holds the lock of the customer's purchases, and `lock`. Raises Failure REFUSED as `find`
        does; the transaction must then be rolled back. The discount that counts is that of the order, which
        is less than `discount` if the provider confirmed a price below the discount.
        """
        coupon = discount.coupon
        if coupon is None:
            return
        # The coupon's row first, so that purchases with the same coupon wait before they count its uses.
        if not await store.reserve(connection, coupon.id, order.discount):
            raise not_valid()
        customer = Customer.of(order)
        recorded = await store.record(
            connection, order.id, customer.id, coupon, order.discount, order.currency
        )
        if not recorded:
            raise not_applicable(MESSAGE_USED_BY_CUSTOMER)
        if coupon.rules.first_purchase_only and await store.has_bought(
            connection, customer, order.id
        ):
            raise not_applicable(MESSAGE_FIRST_PURCHASE)

    @staticmethod
    def lock(request: OrderRequest, discount: Discount) -> list[str]:
        """Return the lock that orders of an organization need besides those of their buyers, if any.

        Two members could otherwise both make the organization's first purchase.
        """
        if discount.coupon is None or request.organization_id is None:
            return []
        return [f"coupons of organization {request.organization_id}"]


async def _check_customer(connection: Connection, coupon: Coupon, customer: Customer) -> None:
    """Raise Failure REFUSED (COUPON_NOT_APPLICABLE) if the customer can't use the coupon any more."""
    rules = coupon.rules
    limit = rules.max_uses_per_customer
    if limit is not None and await store.uses(connection, coupon.id, customer.id) >= limit:
        raise not_applicable(MESSAGE_USED_BY_CUSTOMER)
    if rules.first_purchase_only and await store.has_bought(connection, customer, None):
        raise not_applicable(MESSAGE_FIRST_PURCHASE)


def sale_of(plan_id: UUID, plan: Plan, quantity: int) -> Sale:
    """Return what a customer wants to buy; without price lists, the least price is the cost."""
    listing = plan.listing
    return Sale(
        plan_id=plan_id,
        bundle_name=plan.bundle_name,
        group=plan.bundle_group,
        countries=frozenset(plan.sold.countries if plan.sold else ()),
        quantity=quantity,
        price=plan.price,
        currency=plan.currency,
        terms=plan.terms,
        cost=plan.cost,
        least_price=listing.least_price if listing else plan.cost,
    )
