"""Discounts of coupons on orders."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders.order import Order, OrderRequest
from services.orders.plan import Plan


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon subtracts from an order, with the digits of the currency, and when the coupon ends."""

    amount: Decimal = Decimal(0)
    ends_at: datetime | None = None


NO_DISCOUNT = Discount()


class Discounts:
    """Finds the discount of a request's coupon, and reserves the coupon for its order."""

    async def find(self, request: OrderRequest, plan: Plan) -> Discount:
        """Return the discount of the request's coupon; none without a code.

        Raises Failure REFUSED (COUPON_NOT_VALID, COUPON_NOT_APPLICABLE).
        """
        if not request.coupon_code:
            return NO_DISCOUNT
        raise Failure(
            Kind.REFUSED,
            "COUPON_NOT_VALID",
            "This coupon is not valid, so nothing was bought; check its code, or buy without a coupon",
        )

    async def reserve(self, connection: Connection, order: Order, discount: Discount) -> None:
        """Reserve the coupon of an order that was just claimed in the same transaction.

        Raises Failure REFUSED as `find` does, which also undoes the claim.
        """
