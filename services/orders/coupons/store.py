"""SQL of coupons and their redemptions; nothing here commits."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.coupons.coupon import Coupon, Customer, Rules

RULES = (
    *(
        "code",
        "percent",
        "amount",
        "currency",
        "starts_at",
        "ends_at",
        "plans",
        "groups",
        "countries",
    ),
    *("minimum", "max_uses", "max_uses_per_customer", "budget", "first_purchase_only", "max_loss"),
)
SETS = frozenset({"plans", "groups", "countries"})
COLUMNS = f"""c.id, {", ".join(f"c.{name}" for name in RULES)}, c.disabled_at, c.used, c.reserved, c.spent,
    c.reserved_amount, c.created_at, c.created_by"""
PLACES = ", ".join(f"${number}" for number in range(1, len(RULES) + 1))
CREATE = f"""
insert into orders.coupons as c ({", ".join(RULES)}, created_by) values ({PLACES}, ${len(RULES) + 1})
on conflict (code) do nothing
returning {COLUMNS}
"""  # noqa: S608 - only constants of this file go in
FIND = f"select {COLUMNS} from orders.coupons c where c.code = $1"  # noqa: S608 - the same
DISABLE = f"""
update orders.coupons c
set disabled_at = coalesce(c.disabled_at, now()), disabled_by = coalesce(c.disabled_by, $2)
where c.id = $1
returning {COLUMNS}
"""  # noqa: S608 - the same
PAGE = f"""
select {COLUMNS} from orders.coupons c
where $1::timestamptz is null or (c.created_at, c.id) < ($1, $2::uuid)
order by c.created_at desc, c.id desc limit $3
"""  # noqa: S608 - the same


def read_row(row: Any) -> Coupon:
    """Build a coupon from a row with COLUMNS."""
    rules: dict[str, Any] = {
        name: frozenset(row[name]) if name in SETS else row[name] for name in RULES
    }
    return Coupon(
        id=row["id"],
        rules=Rules(**rules),
        disabled=row["disabled_at"] is not None,
        used=row["used"],
        reserved=row["reserved"],
        spent=row["spent"],
        reserved_amount=row["reserved_amount"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )


async def create(connection: Connection, rules: Rules, actor: str) -> Coupon | None:
    """Record a new coupon; None if its code is taken."""
    values = [
        sorted(getattr(rules, name)) if name in SETS else getattr(rules, name) for name in RULES
    ]
    row = await connection.fetchrow(CREATE, *values, actor)
    return read_row(row) if row else None


async def find(connection: Connection, code: str) -> Coupon | None:
    """Return the coupon with this code, valid or not."""
    row = await connection.fetchrow(FIND, code)
    return read_row(row) if row else None


async def disable(connection: Connection, coupon_id: UUID, actor: str) -> Coupon | None:
    """End a coupon, if it isn't yet; None if there is none with this id."""
    row = await connection.fetchrow(DISABLE, coupon_id, actor)
    return read_row(row) if row else None


async def list_page(
    connection: Connection, after: tuple[datetime, UUID] | None, limit: int
) -> list[Coupon]:
    """Return at most `limit` coupons, newest first, that come after a position."""
    created_at, coupon_id = after or (None, None)
    return [read_row(row) for row in await connection.fetch(PAGE, created_at, coupon_id, limit)]


# The conditions are evaluated again with the row locked, so that parallel purchases can't exceed a limit.
RESERVE = """
update orders.coupons c
set reserved = c.reserved + 1,
    reserved_amount = c.reserved_amount + case when c.currency is null then 0 else $2 end
where c.id = $1 and c.disabled_at is null
    and (c.starts_at is null or c.starts_at <= now()) and (c.ends_at is null or c.ends_at > now())
    and (c.max_uses is null or c.used + c.reserved < c.max_uses)
    and (c.budget is null or c.spent + c.reserved_amount + $2 <= c.budget)
"""


async def reserve(connection: Connection, coupon_id: UUID, discount: Decimal) -> bool:
    """Count one more use; False if the coupon can't be used any more."""
    return bool(await connection.execute(RESERVE, coupon_id, discount) == "UPDATE 1")


# The least number that isn't among the customer's uses.
RECORD = """
insert into orders.coupon_redemptions (order_id, coupon_id, customer_id, n, amount, currency)
select $1, $2, $3, free.n, $4, $5
from (
    select min(n) as n from generate_series(1, 1 + (
        select count(*) from orders.coupon_redemptions
        where coupon_id = $2 and customer_id = $3 and state <> 'RELEASED'
    )) as n
    where n not in (
        select r.n from orders.coupon_redemptions r
        where r.coupon_id = $2 and r.customer_id = $3 and r.state <> 'RELEASED'
    )
) free
where $6::integer is null or free.n <= $6
"""


async def record(
    connection: Connection,
    order_id: UUID,
    customer_id: UUID,
    coupon: Coupon,
    discount: Decimal,
    currency: str,
) -> bool:
    """Record the use of a coupon by an order; False if the customer has no use left.

    `customer_id` is the id of a `Customer`. The caller holds the lock of the customer's purchases. Two uses
    with one number would violate a unique index.
    """
    limit = coupon.rules.max_uses_per_customer
    done = await connection.execute(
        RECORD, order_id, coupon.id, customer_id, discount, currency, limit
    )
    return bool(done == "INSERT 0 1")


USES = """
select count(*) from orders.coupon_redemptions
where coupon_id = $1 and customer_id = $2 and state <> 'RELEASED'
"""


async def uses(connection: Connection, coupon_id: UUID, customer_id: UUID) -> int:
    """Return how many orders of the customer use the coupon."""
    return int(await connection.fetchval(USES, coupon_id, customer_id))


HAS_BOUGHT = """
select exists (
    select from orders.esim_orders o
    where {} and o.status <> 'FAILED' and o.id is distinct from $2
)
"""
ORGANIZATION_HAS_BOUGHT = HAS_BOUGHT.format("o.organization_id = $1")
PERSON_HAS_BOUGHT = HAS_BOUGHT.format("o.customer_id = $1 and o.organization_id is null")


async def has_bought(connection: Connection, customer: Customer, except_order: UUID | None) -> bool:
    """Return whether the customer has another order that has not failed."""
    statement = ORGANIZATION_HAS_BOUGHT if customer.is_organization else PERSON_HAS_BOUGHT
    return bool(await connection.fetchval(statement, customer.id, except_order))
