"""SQL of orders: claims and steps; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypedDict, Unpack
from uuid import UUID

from kit.db.database import Connection
from services.orders import step_log
from services.orders.order import Order, OrderCost, OrderStatus, PaidBy, RecoveryPoint
from services.orders.provider.provider_order import spellings
from services.orders.status_reasons import FailureReason

# What a session may read. Costs are for the system only: see the next constant.
COLUMNS = """o.id, o.customer_id, o.plan_id, o.bundle_name, o.quantity, o.unit_price, o.total_price,
    o.currency, o.customer_reference, o.auto_activate, o.status, o.recovery_point, o.status_reason,
    o.provider_reference, o.cancel_requested_at, o.created_at, o.updated_at, o.target_esim_id,
    o.target_iccid, o.allow_reassign, o.needs_new_esim, o.reassigned, o.max_price, o.max_total,
    o.failure_reason, o.price_confirmed_at, o.charged_above, o.price_list,
    coalesce(o.tax_rate, 0) as tax_rate, coalesce(o.includes_tax, false) as includes_tax,
    coalesce(o.tax_amount, 0) as tax_amount, coalesce(o.tax_country, '') as tax_country,
    coalesce(o.discount, 0) as discount,
    o.requested_currency, o.coupon_code, o.sold_plan, o.paid_by, o.organization_id, o.group_id,
    o.batch_order_id"""
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


OWNERS = """
select provider_reference, id from orders.esim_orders where provider_reference = any($1::text[])
"""


async def owners(connection: Connection, references: Sequence[str]) -> dict[str, UUID]:
    """Return which order here owns each of the provider's references; those without one are left out.

    References are UUIDs, so capital letters make no difference.
    """
    rows = await connection.fetch(OWNERS, spellings(references))
    found = {row["provider_reference"].lower(): row["id"] for row in rows}
    return {one: found[one.lower()] for one in references if one.lower() in found}


class LeaseLostError(Exception):
    """Another run has taken over the order, so this one must not write any more."""


# What is recorded with a step, by its dataclass below. Each value has a place in braces.
# Without a price list, the customer pays what the provider charges, less the discount. A discount can't be
# subtracted from an amount in another currency: such an order keeps its total, as does one with a payment.
FIXED = "(o.price_list is not null or o.paid_by is not distinct from 'CUSTOMER')"
AT_COST = f"""(
    not {FIXED} and (coalesce(o.discount, 0) = 0 or coalesce({{2}}, o.currency) = o.currency)
)"""
SET_PLACED = f"""
    provider_reference = {{0}}, placed_at = now(), charged_cost = {{1}}::numeric,
    charged_currency = case
        when {{1}}::numeric is not null then coalesce({{2}}, o.cost_currency, o.currency)
    end,
    total_price = case
        when {AT_COST} and {{1}}::numeric is not null
        then greatest({{1}}::numeric - coalesce(o.discount, 0), 0)
        else o.total_price
    end,
    currency = case when {AT_COST} then coalesce({{2}}, o.currency) else o.currency end,
    charged_above = case when not {FIXED} then {{3}}::numeric end,
    cost_above = case when {FIXED} then {{3}}::numeric end
"""
# The price of an order follows its cost, unless the order has a price list or a payment.
SET_COST = f"""
    expected_cost = {{0}}, price_confirmed_at = {{2}},
    cost_currency = coalesce(o.cost_currency, o.currency),
    unit_price = case when {FIXED} then o.unit_price else {{1}}::numeric end,
    total_price = case
        when {FIXED} then o.total_price
        else greatest({{0}}::numeric - coalesce(o.discount, 0), 0)
    end
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """What the provider charged, and by how much that is above the expected cost."""

    reference: str
    total: Decimal | None
    currency: str | None
    above: Decimal | None


@dataclass(frozen=True, slots=True)
class ExpectedCost:
    """The cost that an order now expects, for the whole order and for one, and when it was confirmed."""

    cost: Decimal
    each: Decimal
    confirmed_at: datetime


# True if work on the order has to continue after a step to the status $3.
UNFINISHED = "($3 = 'PROCESSING' or ($3 = 'COMPLETED' and o.cancel_requested_at is not null))"


def _step(also: str = "") -> str:
    """Return the statement of a step that also sets columns to the values from $12 on."""
    sets = f", {_numbered(also, 12)}" if also else ""
    return f"""
with old as (select id, status from orders.esim_orders where id = $1 for no key update),
changed as (
    update orders.esim_orders as o
    set status = $3, recovery_point = $4, status_reason = $5, updated_at = now(),
        operator_detail = coalesce($6, o.operator_detail),
        failure_reason = $10,
        -- The step that finishes the order also releases the lease, so that a request right after it can
        -- start a new run.
        lease_owner = case when {UNFINISHED} then o.lease_owner end,
        leased_until = case when {UNFINISHED} then now() + $7::interval end,
        next_run_at = case when {UNFINISHED} then o.next_run_at end{sets}
    from old
    where o.id = old.id and o.lease_owner = $2
    returning {ALL_COLUMNS}, old.status as old_status
),
events as (
    insert into orders.order_events (order_id, from_status, to_status, actor, reason)
    select id, old_status, old_status, $8, earlier from changed, unnest($11::text[]) as earlier
    union all
    select id, old_status, status, $8, $9 from changed
),
registered as (
    update orders.order_esims e set registered_at = now()
    from changed where $4 = 'REGISTERED' and e.order_id = changed.id and e.registered_at is null
)
select {ALL_COLUMNS} from changed as o
"""  # noqa: S608 - only constants of this file go in


def _numbered(sets: str, first: int) -> str:
    return sets.format(*(f"${number}" for number in range(first, first + 4)))


STEP, STEP_PLACED, STEP_WITH_COST = _step(), _step(SET_PLACED), _step(SET_COST)


class Changes(TypedDict, total=False):
    """The changes of a step to its order; `detail` is for operators, `reason` for the customer."""

    status: OrderStatus
    point: RecoveryPoint
    reason: str
    detail: str | None
    failure: FailureReason


async def step(
    connection: Connection,
    order: Order,
    run: UUID,
    lease: timedelta,
    *,
    event: str,
    actor: str,
    after: Sequence[str] = (),
    also: Placed | ExpectedCost | None = None,
    **changes: Unpack[Changes],
) -> Order:
    """Change an order and record the event; fields not in `changes` stay, but `failure` is cleared.

    `after` are events that happened just before, without a change of the status: they are recorded first.
    `also` is a charge or an expected cost to record with the step.

    Renews the lease, or ends it if the order is finished or in review. Raises LeaseLostError if the run no
    longer has the lease.
    """
    statement, values = STEP, tuple[Any, ...]()
    match also:
        case Placed(reference, total, currency, above):
            statement, values = STEP_PLACED, (reference, total, currency, above)
        case ExpectedCost(cost, each, confirmed_at):
            statement, values = STEP_WITH_COST, (cost, each, confirmed_at)
    row = await connection.fetchrow(
        statement,
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
        list(after),
        *values,
    )
    if row is None:
        raise LeaseLostError
    changed = read_row(row)
    for earlier in after:
        step_log.step_of(order, earlier, actor)
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


RECORD_PLACED = f"""
update orders.esim_orders o
set operator_detail = coalesce($2, o.operator_detail), {_numbered(SET_PLACED, 3)}
where o.id = $1
"""  # noqa: S608 - only constants of this file go in


async def record_placed(
    connection: Connection, order: Order, placed: Placed, detail: str | None
) -> None:
    """Record what the provider charged, for an order in review, which no run works on."""
    await connection.execute(
        RECORD_PLACED,
        order.id,
        detail,
        placed.reference,
        placed.total,
        placed.currency,
        placed.above,
    )
