"""Takes purchases from all budgets that apply to them, in the transaction that claims the purchase.

The database settles a reservation when the order changes its status, or is refunded (migration 052). Other
purchases of the organization wait for these rows, so a transaction locks them last, as the triggers do.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from kit.db.database import Connection
from kit.values import currencies
from services.orders.budgets import store
from services.orders.budgets.budget import Budget, exceeded
from services.orders.organizations.membership import Membership

NOTHING = Decimal(0)

# One conditional statement for all budgets. A share lock keeps the amount of a budget as it is read here; the
# row of the period is what concurrent purchases wait for, in the order of the budgets.
RESERVE = """
with applying as (
    select b.id, b.amount, orders.period_start(b.period, $4, now()) as starts_on
    from orders.budgets b
    where b.organization_id = $1 and b.ended_at is null and (
        b.scope = 'ORGANIZATION'
        or (b.scope = 'GROUP' and b.group_id = $2)
        or (b.scope = 'MEMBER' and b.user_id = $3)
    )
    order by b.id for share of b
),
wanted as (
    select * from unnest($5::uuid[], $6::numeric[]) as w (purchase_id, amount)
),
taken as (
    insert into orders.budget_periods as p (budget_id, starts_on, amount, reserved)
    select a.id, a.starts_on, a.amount, w.total
    from applying a cross join (select sum(amount) as total from wanted) w
    -- A period that has a row is compared below: refunds may have left more than the amount in it.
    where a.amount is null or w.total <= a.amount or exists (
        select from orders.budget_periods p where p.budget_id = a.id and p.starts_on = a.starts_on
    )
    order by a.id
    on conflict (budget_id, starts_on) do update
    set reserved = p.reserved + excluded.reserved, amount = excluded.amount
    where excluded.amount is null or p.spent + p.reserved + excluded.reserved <= excluded.amount
    returning p.budget_id, p.starts_on
),
recorded as (
    insert into orders.budget_reservations (purchase_id, budget_id, starts_on, amount)
    select w.purchase_id, t.budget_id, t.starts_on, w.amount from taken t cross join wanted w
)
select a.id from applying a left join taken t on t.budget_id = a.id where t.budget_id is null
"""


async def reserve(
    connection: Connection,
    membership: Membership,
    group_id: UUID | None,
    member_id: UUID,
    amount: Decimal,
    purchase_id: UUID,
) -> None:
    """Take an amount from all budgets that apply to a purchase of a member, for a group if it has one.

    Raises Failure REFUSED (BUDGET_EXCEEDED); the transaction must then be rolled back.
    """
    await reserve_all(connection, membership, group_id, member_id, {purchase_id: amount})


async def reserve_all(
    connection: Connection,
    membership: Membership,
    group_id: UUID | None,
    member_id: UUID,
    amounts: Mapping[UUID, Decimal],
) -> None:
    """Take the amounts of several purchases, which apply to the same budgets, or none of them.

    Raises Failure REFUSED (BUDGET_EXCEEDED); the transaction must then be rolled back.
    """
    if not amounts:
        return
    refused = await connection.fetch(
        RESERVE,
        membership.organization_id,
        group_id,
        member_id,
        membership.time_zone,
        list(amounts),
        list(amounts.values()),
    )
    if refused:
        budgets = [await store.get(connection, row["id"]) for row in refused]
        raise exceeded(_least(budgets), sum(amounts.values(), NOTHING))


def _least(budgets: list[Budget | None]) -> Budget:
    """Return the budget with the least left; their rows are locked, so none has ended meanwhile."""
    return min((b for b in budgets if b is not None), key=lambda budget: budget.left or NOTHING)


# The reservations stay in their periods, and their rows are those of the order from now on.
MOVE = """
with held as (
    select r.budget_id, r.starts_on, $3 - r.amount as more, b.amount
    from orders.budget_reservations r join orders.budgets b on b.id = r.budget_id
    where r.purchase_id = $1 and r.state = 'RESERVED'
    order by r.budget_id for update of r for share of b
),
locked as (
    select p.budget_id, p.starts_on, h.more, h.amount
    from orders.budget_periods p join held h on h.budget_id = p.budget_id and h.starts_on = p.starts_on
    where h.more <> 0
    order by p.budget_id for update of p
),
taken as (
    update orders.budget_periods p set reserved = p.reserved + l.more, amount = l.amount
    from locked l
    where p.budget_id = l.budget_id and p.starts_on = l.starts_on
        and (l.more < 0 or l.amount is null or p.spent + p.reserved + l.more <= l.amount)
    returning p.budget_id
),
moved as (
    update orders.budget_reservations r set purchase_id = $2, amount = $3
    from held h where r.purchase_id = $1 and r.budget_id = h.budget_id
)
select h.budget_id, h.more from held h left join taken t on t.budget_id = h.budget_id
where h.more <> 0 and t.budget_id is null
"""


async def move(
    connection: Connection, from_purchase: UUID, to_purchase: UUID, amount: Decimal
) -> None:
    """Let a new order take over what was reserved for it before it existed, with exactly its amount.

    Less than was reserved releases the rest; for more, the budgets must have the difference left. Budgets
    that were set after the reservation don't apply. Raises Failure REFUSED (BUDGET_EXCEEDED); the
    transaction must then be rolled back.
    """
    refused = await connection.fetch(MOVE, from_purchase, to_purchase, amount)
    if refused:
        more = {row["budget_id"]: row["more"] for row in refused}
        least = _least([await store.get(connection, budget_id) for budget_id in more])
        raise exceeded(least, more[least.id])


async def release(connection: Connection, purchase_id: UUID) -> None:
    """Give back what is reserved for a purchase that will never be an order. Repeats change nothing."""
    await connection.execute("select orders.settle_budgets($1, 'RELEASED', null)", purchase_id)


# All budgets of an order have the same amounts.
SPENT = """
select max(b.amount) as amount, max(b.refunded) as refunded, max(o.currency) as currency
from orders.budget_reservations b
join orders.budgets g on g.id = b.budget_id
join orders.organizations o on o.id = g.organization_id
where b.purchase_id = $1 and b.state = 'SPENT'
having count(*) > 0
"""


async def give_back(
    connection: Connection, purchase_id: UUID, returned: int, quantity: int
) -> None:
    """Give back the price of `returned` bundles of a completed order that is not paid here.

    Repeats change nothing. Refunds of payments are given back by the database.
    """
    spent = await connection.fetchrow(SPENT, purchase_id)
    if spent is None:
        return
    # As the ledger posts it: the sum of all returns is rounded, less what was given back before.
    whole = currencies.rounded(spent["amount"] * returned / quantity, spent["currency"])
    back = min(spent["amount"], whole) - spent["refunded"]
    if back > 0:
        await connection.execute("select orders.give_back_to_budgets($1, $2)", purchase_id, back)
