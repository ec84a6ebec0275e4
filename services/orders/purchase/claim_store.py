"""SQL of claims: the row of a new order, and the search for one of the same request."""

from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection
from kit.telemetry import tracing
from services.orders import step_log
from services.orders.order import Order, OrderRequest, Target
from services.orders.payments.opening.opening import Opening
from services.orders.plan import Plan
from services.orders.purchase.quotes import Quote
from services.orders.store import ALL_COLUMNS, COLUMNS, read_row

# The step in the order's history.
CLAIMED = "claimed"
# An order that can be bought at once is leased to the run that its process starts after the commit.
CLAIM = f"""
with claimed as (
insert into orders.esim_orders as o (
    customer_id, idempotency_key, plan_id, bundle_name, quantity, unit_price, total_price, currency,
    customer_reference, auto_activate, target_esim_id, target_iccid, allow_reassign, needs_new_esim,
    max_price, max_total, trace_parent, price_confirmed_at, requested_currency, coupon_code, sold_plan,
    sold_region, price_list, rule_version, expected_cost, cost_currency, max_unit_cost, exchange_rate,
    exchange_rate_at, tax_rate, includes_tax, tax_amount, discount, tax_country, paid_by, recovery_point,
    next_run_at, lease_owner, leased_until, organization_id, group_id,
    batch_order_id
) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    -- Older releases know no other keys in the object.
    $21::jsonb - 'region', $21::jsonb ->> 'region',
    $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
    case when $35 <> 'AWAITING_PAYMENT' then now() end,
    case when $35 <> 'AWAITING_PAYMENT' then $36::uuid end,
    case when $35 <> 'AWAITING_PAYMENT' then now() + $37::interval end, $40, $41, $42
)
on conflict (customer_id, idempotency_key) do nothing
returning {ALL_COLUMNS}
),
event as (
    insert into orders.order_events (order_id, to_status, actor, reason)
    select id, status, $38, $39 from claimed
)
select {ALL_COLUMNS} from claimed as o
"""  # noqa: S608 - only ALL_COLUMNS goes in


async def claim(
    connection: Connection,
    request: OrderRequest,
    plan: Plan,
    quote: Quote,
    target: Target | None,
    opening: Opening,
    *,
    run: UUID,
    lease: timedelta,
    actor: str,
) -> Order | None:
    """Record the intent to buy, how it is sold, and the step of its `actor`.

    The `run` gets the lease of an order that can be bought at once. Returns None if the customer's key is in
    use already.
    """
    listing = plan.listing
    row = await connection.fetchrow(
        CLAIM,
        request.customer_id,
        request.idempotency_key,
        request.plan_id,
        plan.bundle_name,
        request.quantity,
        quote.each,
        quote.total,
        quote.currency,
        request.customer_reference,
        request.auto_activate,
        target.esim_id if target else None,
        target.iccid if target else None,
        request.allow_reassign,
        target is not None and not target.fits,
        request.max_price,
        request.max_total,
        tracing.to_traceparent(tracing.current_context()),
        quote.confirmed_at,
        request.currency,
        request.coupon_code,
        plan.sold.to_json() if plan.sold else None,
        listing.price_list if listing else None,
        listing.rule_version if listing else 0,
        quote.cost,
        plan.cost_currency,
        quote.max_unit_cost,
        plan.terms.rate,
        listing.rate_at if listing else None,
        plan.terms.tax,
        plan.terms.includes_tax,
        quote.totals.tax,
        quote.totals.discount,
        listing.tax_country if listing else "",
        opening.paid_by,
        opening.point,
        run,
        lease,
        actor,
        CLAIMED,
        request.organization_id,
        request.group_id,
        request.reservation,
    )
    if row is None:
        return None
    claimed = read_row(row)
    step_log.step_of(claimed, CLAIMED, actor)
    return claimed


FIND_BY_KEY = f"""
select {COLUMNS} from orders.esim_orders o where o.customer_id = $1 and o.idempotency_key = $2
"""  # noqa: S608 - only COLUMNS goes in


async def find_by_key(connection: Connection, customer_id: UUID, key: str) -> Order | None:
    """Return the customer's order that was requested under this idempotency key."""
    row = await connection.fetchrow(FIND_BY_KEY, customer_id, key)
    return read_row(row) if row else None


# Equal requests within this time are two clicks or a client's retry, not a second order. Clients rely on it.
DUPLICATE_WINDOW = timedelta(seconds=30)
FIND_DUPLICATE = f"""
select {COLUMNS} from orders.esim_orders o
where o.customer_id = $1 and o.plan_id = $2 and o.quantity = $3
    and o.target_esim_id is not distinct from $4 and o.idempotency_key is null
    and o.status <> 'FAILED' and o.created_at > now() - $5::interval
    and $6::text in (o.requested_currency, o.currency) and o.coupon_code = $7
    and o.organization_id is not distinct from $8 and o.group_id is not distinct from $9
order by o.created_at desc limit 1
"""  # noqa: S608 - only COLUMNS goes in


def duplicates_lock(request: OrderRequest) -> str:
    """Return the lock of a transaction that looks for an equal order.

    With it, equal requests run one at a time: the second click waits until the first one's order is
    committed.
    """
    return f"{request.customer_id} {request.plan_id} {request.quantity} {request.esim_id}"


async def find_duplicate(connection: Connection, request: OrderRequest) -> Order | None:
    """Return an equal order from the last seconds; the transaction has the lock of equal requests."""
    row = await connection.fetchrow(
        FIND_DUPLICATE,
        request.customer_id,
        request.plan_id,
        request.quantity,
        request.esim_id,
        DUPLICATE_WINDOW,
        request.currency,
        request.coupon_code,
        request.organization_id,
        request.group_id,
    )
    return read_row(row) if row else None


ORDERED = "update orders.batch_orders set state = 'ORDERED' where id = $1 and state = 'PENDING'"


async def take_planned(connection: Connection, planned: UUID) -> bool:
    """Record that a planned order of a batch has its order; False if the batch was cancelled meanwhile."""
    return bool(await connection.execute(ORDERED, planned) == "UPDATE 1")
