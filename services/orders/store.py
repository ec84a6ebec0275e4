"""SQL of orders: claims and steps; nothing here commits."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from kit.db.database import Connection
from services.orders import step_log
from services.orders.order import (
    FailureReason,
    Order,
    OrderCost,
    OrderStatus,
    PaidBy,
    RecoveryPoint,
)

# What a session may read. Costs are for the system only: see the next constant.
COLUMNS = """o.id, o.customer_id, o.plan_id, o.bundle_name, o.quantity, o.unit_price, o.total_price,
    o.currency, o.customer_reference, o.auto_activate, o.status, o.recovery_point, o.status_reason,
    o.provider_reference, o.cancel_requested_at, o.created_at, o.updated_at, o.target_esim_id,
    o.target_iccid, o.allow_reassign, o.needs_new_esim, o.reassigned, o.max_price, o.max_total,
    o.failure_reason, o.price_confirmed_at, o.charged_above, o.price_list,
    coalesce(o.tax_rate, 0) as tax_rate, coalesce(o.includes_tax, false) as includes_tax,
    coalesce(o.tax_amount, 0) as tax_amount, coalesce(o.tax_country, '') as tax_country,
    coalesce(o.discount, 0) as discount,
    o.requested_currency, o.coupon_code, o.sold_plan, o.paid_by"""
COST_COLUMNS = """o.expected_cost, o.cost_currency, o.charged_cost, o.charged_currency, o.cost_above,
    o.max_unit_cost, o.rule_version, o.exchange_rate, o.exchange_rate_at"""
# What the system may read.
ALL_COLUMNS = f"{COLUMNS}, {COST_COLUMNS}"
COST_FIELDS = {
    "expected_cost": "expected",
    "cost_currency": "currency",
    "charged_cost": "charged",
    "charged_currency": "charged_currency",
    "cost_above": "above",
    "max_unit_cost": "max_unit",
    "rule_version": "rule_version",
    "exchange_rate": "exchange_rate",
    "exchange_rate_at": "exchange_rate_at",
}


def read_row(row: Any) -> Order:
    """Build an order from a row with COLUMNS or ALL_COLUMNS."""
    values = dict(row)
    values["status"] = OrderStatus(values["status"])
    values["recovery_point"] = RecoveryPoint(values["recovery_point"])
    values["paid_by"] = PaidBy(values["paid_by"]) if values["paid_by"] else None
    if "expected_cost" in values:
        values["cost"] = read_cost(values)
        for column in COST_FIELDS:
            del values[column]
    return Order(**values)


def read_cost(row: Any) -> OrderCost | None:
    """Build the cost of an order from a row with COST_COLUMNS; None if it is not recorded yet."""
    if row["expected_cost"] is None:
        return None
    return OrderCost(**{field: row[column] for column, field in COST_FIELDS.items()})


FIND_BY_KEY = f"""
select {COLUMNS} from orders.esim_orders o where o.customer_id = $1 and o.idempotency_key = $2
"""  # noqa: S608 - only COLUMNS of this file goes in


async def find_by_key(connection: Connection, customer_id: UUID, key: str) -> Order | None:
    row = await connection.fetchrow(FIND_BY_KEY, customer_id, key)
    return read_row(row) if row else None


COSTS = f"""
select o.id, {COST_COLUMNS} from orders.esim_orders o
where o.id = any($1::uuid[]) and o.expected_cost is not null
"""  # noqa: S608 - only COST_COLUMNS of this file goes in


async def costs(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, OrderCost]:
    """Return the costs of orders as far as they are recorded; only the system may read them."""
    found = {row["id"]: read_cost(row) for row in await connection.fetch(COSTS, list(order_ids))}
    return {order_id: cost for order_id, cost in found.items() if cost is not None}


GET = f"select {COLUMNS} from orders.esim_orders o where o.id = any($1::uuid[])"  # noqa: S608 - only COLUMNS of this file goes in


async def get(connection: Connection, order_ids: Sequence[UUID]) -> list[Order]:
    """Return the orders that exist and that the session may see, in no particular order."""
    return [read_row(row) for row in await connection.fetch(GET, list(order_ids))]


class LeaseLostError(Exception):
    """Another run has taken over the order, so this one must not write any more."""


# True if work on the order has to continue after a step to the status $3.
UNFINISHED = "($3 = 'PROCESSING' or ($3 = 'COMPLETED' and o.cancel_requested_at is not null))"
STEP = f"""
with old as (select id, status from orders.esim_orders where id = $1 for update),
changed as (
    update orders.esim_orders as o
    set status = $3, recovery_point = $4, status_reason = $5, updated_at = now(),
        operator_detail = coalesce($6, o.operator_detail),
        failure_reason = $10,
        -- The step that finishes the order also releases the lease, so that a request right after it can
        -- start a new run.
        lease_owner = case when {UNFINISHED} then o.lease_owner end,
        leased_until = case when {UNFINISHED} then now() + $7::interval end,
        next_run_at = case when {UNFINISHED} then o.next_run_at end
    from old
    where o.id = old.id and o.lease_owner = $2
    returning {ALL_COLUMNS}, old.status as old_status
),
event as (
    insert into orders.order_events (order_id, from_status, to_status, actor, reason)
    select id, old_status, status, $8, $9 from changed
)
select {ALL_COLUMNS} from changed as o
"""  # noqa: S608 - only constants of this file go in


class Changes(TypedDict, total=False):
    """The changes of a step to its order; `detail` is for operators, `reason` for the customer."""

    status: OrderStatus
    point: RecoveryPoint
    reason: str
    detail: str
    failure: FailureReason


async def step(
    connection: Connection,
    order: Order,
    run: UUID,
    lease: timedelta,
    *,
    event: str,
    actor: str,
    **changes: Unpack[Changes],
) -> Order:
    """Change an order and record the event; fields not in `changes` stay, but `failure` is cleared.

    Renews the lease, or ends it if the order is finished or in review. Raises LeaseLostError if the run no
    longer has the lease.
    """
    row = await connection.fetchrow(
        STEP,
        order.id,
        run,
        changes.get("status", order.status),
        changes.get("point", order.recovery_point),
        changes.get("reason", order.status_reason),
        changes.get("detail"),
        lease,
        actor,
        event,
        changes.get("failure", ""),
    )
    if row is None:
        raise LeaseLostError
    changed = read_row(row)
    step_log.step_of(changed, event, actor)
    return changed


RECORD_EVENT = """
insert into orders.order_events (order_id, to_status, actor, reason) values ($1, $2, $3, $4)
"""


async def record_request(
    connection: Connection, order: Order, actor: UUID | None, what: str
) -> None:
    """Record a user's request as a step; `actor` is None for the service role key."""
    await record_step(connection, order, str(actor or "service"), what)


async def record_step(connection: Connection, order: Order, actor: str, what: str) -> None:
    """Add a step to the order's history without changing the order."""
    await connection.execute(RECORD_EVENT, order.id, order.status, actor, what)
    step_log.step_of(order, what, actor)


async def record_reassigned(connection: Connection, order_id: UUID) -> None:
    """Record that the bundle was delivered on another eSIM than the requested one."""
    await connection.execute(
        "update orders.esim_orders set reassigned = true where id = $1", order_id
    )


# Without a price list, the customer pays what the provider charges, less the discount. A discount can't be
# subtracted from an amount in another currency: such an order keeps its total, as does one with a payment.
RECORD_PLACED = """
update orders.esim_orders o
set provider_reference = $2, placed_at = now(), charged_cost = $3::numeric,
    charged_currency = case when $3 is not null then coalesce($4, o.cost_currency, o.currency) end,
    total_price = case
        when sold.at_cost and $3 is not null then greatest($3 - coalesce(o.discount, 0), 0)
        else o.total_price
    end,
    currency = case when sold.at_cost then coalesce($4, o.currency) else o.currency end,
    charged_above = case when not sold.at_fixed_price then $5::numeric end,
    cost_above = case when sold.at_fixed_price then $5::numeric end,
    operator_detail = coalesce($6, o.operator_detail)
from (
    select id, fixed as at_fixed_price,
        not fixed and (coalesce(discount, 0) = 0 or coalesce($4, currency) = currency) as at_cost
    from orders.esim_orders,
        lateral (select price_list is not null or paid_by is not distinct from 'CUSTOMER' as fixed) f
    where id = $1
) sold
where o.id = sold.id
"""


async def record_reference(
    connection: Connection,
    order: Order,
    reference: str,
    total: Decimal | None,
    currency: str | None,
    *,
    above: Decimal | None,
    detail: str | None,
) -> None:
    """Record what the provider charged, and by how much that is above the expected cost.

    `step` to PLACED follows in the same transaction.
    """
    await connection.execute(RECORD_PLACED, order.id, reference, total, currency, above, detail)


# Without a price list, the price follows the cost, but not that of an order with a payment.
RECORD_COST = """
update orders.esim_orders o
set expected_cost = $2, price_confirmed_at = $4,
    cost_currency = coalesce(o.cost_currency, o.currency),
    unit_price = case when sold.at_cost then $3::numeric else o.unit_price end,
    total_price = case
        when sold.at_cost then greatest($2::numeric - coalesce(o.discount, 0), 0)
        else o.total_price
    end
from (
    select id, price_list is null and paid_by is distinct from 'CUSTOMER' as at_cost
    from orders.esim_orders where id = $1
) sold
where o.id = sold.id
"""


async def record_cost(
    connection: Connection, order: Order, cost: Decimal, each: Decimal, confirmed_at: datetime
) -> None:
    """Record the cost that the order now expects; a `step` follows in the same transaction.

    `cost` is for the whole order, `each` for one.
    """
    await connection.execute(RECORD_COST, order.id, cost, each, confirmed_at)


OWNED = (
    "select provider_reference from orders.esim_orders where provider_reference = any($1::text[])"
)


async def owned_references(connection: Connection, references: Sequence[str]) -> set[str]:
    """Return the references that already belong to an order of this platform."""
    rows = await connection.fetch(OWNED, list(references))
    return {row["provider_reference"] for row in rows}


async def placed_ago(connection: Connection, order_id: UUID) -> timedelta:
    ago = await connection.fetchval(
        "select now() - placed_at as ago from orders.esim_orders where id = $1", order_id
    )
    return ago if isinstance(ago, timedelta) else timedelta()
