"""Spending limits: how many orders, and for how much money, a customer and the shop may place."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.errors import Failure, Kind
from services.orders.metrics import Metrics

WINDOWS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
SCOPES = ("customer", "shop")
KINDS = ("orders", "amount")
NAMES = tuple(f"{s}_{w}_{k}" for s in SCOPES for w in WINDOWS for k in KINDS)
# An amount of money, or a number of orders: up to 12 digits before the point, 9 after it.
VALUE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


class LimitsError(ValueError):
    """The text of PURCHASE_LIMITS is malformed; the message says why."""


def parse(text: str) -> dict[str, Decimal]:
    """Parse limits by name from a text such as `customer_hour_orders=5, shop_day_amount=2000`.

    Raises LimitsError.
    """
    found: dict[str, Decimal] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in NAMES:
            raise LimitsError(f"unknown limit {name!r}; the limits are {', '.join(NAMES)}")
        if name in found:
            raise LimitsError(f"{name} is set twice")
        if not VALUE.fullmatch(value) or (name.endswith("_orders") and "." in value):
            what = "a whole number" if name.endswith("_orders") else "an amount such as 250.50"
            raise LimitsError(f"{name} must be {what}, not {value!r}")
        found[name] = Decimal(value)
    return found


# The seconds until another order fits, or null if it fits now. `number` and `amount` are running totals of an
# order and all newer ones. If the orders from one on fill the limit, that one has to leave the window; the
# newest of such orders leaves it last.
SPENT = """
select extract(epoch from max(created_at) filter (where number >= $3) + $2::interval - now())
        as orders,
    extract(epoch from max(created_at) filter (where amount > $4) + $2::interval - now()) as amount
from (
    select o.created_at, count(*) over newest as number,
        sum(
            case
                when o.charged_currency = o.cost_currency then o.charged_cost
                -- Orders from before costs were recorded had no discount.
                else coalesce(o.expected_cost, o.total_price)
            end
        ) over newest as amount
    from orders.esim_orders o
    where o.status <> 'FAILED' and o.created_at > now() - $2::interval
        -- Unpaid orders count for an hour: otherwise customers who never pay would stop the shop.
        and (o.recovery_point <> 'AWAITING_PAYMENT' or o.created_at > now() - interval '1 hour')
        and ($1::uuid is null or (o.customer_id = $1 and o.organization_id is null))
    window newest as (order by o.created_at desc, o.id desc rows unbounded preceding)
) spent
"""
UNFINISHED = """
select count(*) from (
    select from orders.esim_orders
    where customer_id = $1 and status = 'PROCESSING' and organization_id is not distinct from $3
        and batch_order_id is null
    limit $2
) unfinished
"""


@dataclass(frozen=True, slots=True)
class PurchaseLimits:
    """Checks purchases against the limits, and the number of unfinished purchases of a customer.

    An order counts from its claim on, first with its expected cost and later with what the provider charged:
    costs have one currency, whatever currency customers pay in. Failed orders don't count; cancelled
    orders do.
    """

    limits: Mapping[str, Decimal]
    unfinished: int
    metrics: Metrics = field(compare=False)

    def __post_init__(self) -> None:
        self.metrics.limits(self.limits)

    def locks(self, customer_id: UUID) -> list[str]:
        """Return the locks of a transaction that checks the limits and claims an order.

        They block other purchases under the same limits. Always in this order, so that two purchases can't
        deadlock.
        """
        # The number of a customer's unfinished purchases is always limited.
        owners = {"customer": str(customer_id)}
        if any(name.startswith("shop") for name in self.limits):
            owners["shop"] = "all"
        return [f"purchase limits of {scope} {owner}" for scope, owner in owners.items()]

    async def check(
        self,
        connection: Connection,
        customer_id: UUID,
        cost: Decimal,
        *,
        by_service: bool,
        organization_id: UUID | None = None,
    ) -> None:
        """Raise Failure REFUSED (PURCHASE_LIMIT_...) if an order of that cost exceeds a limit.

        Purchases by a service have no limit on unfinished purchases, because its customers have paid already.
        What a customer buys for an organization is limited by its budgets, and by the limits of the shop.
        """
        if not by_service:
            await self._check_unfinished(connection, customer_id, organization_id)
        for scope in SCOPES if organization_id is None else ("shop",):
            for window, length in WINDOWS.items():
                orders = self.limits.get(f"{scope}_{window}_orders")
                amount = self.limits.get(f"{scope}_{window}_amount")
                if orders is None and amount is None:
                    continue
                if orders is not None and orders < 1:
                    raise self._refused(scope, window, "orders", None)
                if amount is not None and cost > amount:
                    raise self._refused(scope, window, "amount", None)
                owner = customer_id if scope == "customer" else None
                row: Any = await connection.fetchrow(
                    SPENT,
                    owner,
                    length,
                    None if orders is None else int(orders),
                    None if amount is None else amount - cost,
                )
                for kind in KINDS:
                    if row[kind] is not None:
                        raise self._refused(scope, window, kind, float(row[kind]))

    async def _check_unfinished(
        self, connection: Connection, customer_id: UUID, organization_id: UUID | None
    ) -> None:
        found = await connection.fetchval(UNFINISHED, customer_id, self.unfinished, organization_id)
        if found < self.unfinished:
            return
        name = "customer_unfinished_orders"
        self.metrics.limited(name)
        raise Failure(
            Kind.REFUSED,
            f"PURCHASE_LIMIT_{name.upper()}",
            f"This account has {found} unfinished purchases, so nothing was bought: wait until one"
            " of them is completed or failed, then try again",
            details={"limit": name},
        )

    def _refused(self, scope: str, window: str, kind: str, seconds: float | None) -> Failure:
        """Return the refusal; `seconds` is None if this order alone exceeds the limit."""
        name = f"{scope}_{window}_{kind}"
        self.metrics.limited(name)
        whose = "This account has" if scope == "customer" else "The shop has"
        what = "orders" if kind == "orders" else "spending"
        retry_after = None if seconds is None else float(max(1, math.ceil(seconds)))
        then = "this order alone exceeds it; order a smaller quantity"
        if retry_after is not None:
            then = f"try again in {retry_after:.0f} seconds"
        elif kind == "orders":
            then = "the limit is 0; ask the shop"
        return Failure(
            Kind.REFUSED,
            f"PURCHASE_LIMIT_{name.upper()}",
            f"{whose} reached its limit of {what} per {window}, so nothing was bought: {then}",
            retry_after=retry_after,
            details={"limit": name},
        )
