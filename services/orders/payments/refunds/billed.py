"""What can still go back of statements that have credit notes.

Of one statement, its credit notes and the refunds of the orders that it charges for are together at most what
it charges for, wherever the refunds are billed. A cancellation that is recorded but has not ended counts with
what it will give back. Credit notes, refunds and cancellations compare amounts while they hold a lock on the
organization's row, which they take after those of the order and its payment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.values import money
from services.orders.order import Order
from services.orders.payment import Payment, PaymentMethod
from services.orders.payments.policy import Limit, due

NOTHING = Decimal(0)
LOCK = "select from orders.organizations where id = $1 for no key update"
# Statements with credit notes that charge for an order. Without a credit note there is no limit: the refunds
# of each order are at most what was charged for it.
CREDITED = """
select l.order_id, l.statement_id
from orders.statement_lines l
join orders.ledger_transactions t on t.id = l.ledger_transaction_id and t.kind = 'TAKE'
where l.order_id = any($1::uuid[]) and exists (
    select from orders.statement_settlements c
    where c.statement_id = l.statement_id and c.kind = 'CREDIT_NOTE'
)
"""
BILLED = """
with charged as (
    select l.statement_id, l.order_id, sum(l.amount) as amount
    from orders.statement_lines l
    join orders.ledger_transactions t on t.id = l.ledger_transaction_id and t.kind = 'TAKE'
    where l.statement_id = any($1::uuid[])
    group by l.statement_id, l.order_id
)
select s.id, s.n, s.currency, coalesce(sales.charged, 0) as charged,
    coalesce(sales.refunded, 0) as refunded, coalesce(credits.credited, 0) as credited, credits.notes
from orders.statements s
left join lateral (
    select sum(c.amount) as charged, sum(p.refunded) as refunded
    from charged c left join orders.payments p on p.order_id = c.order_id
    where c.statement_id = s.id
) sales on true
left join lateral (
    select sum(t.amount) as credited, array_agg(t.n order by t.n) as notes
    from orders.statement_settlements t where t.statement_id = s.id and t.kind = 'CREDIT_NOTE'
) credits on true
where s.id = any($1::uuid[])
"""
# What their cancellations are to give back is not refunded yet.
CANCELLING = """
select distinct l.statement_id, o.id as order_id, o.quantity, p.captured, p.refunded, p.currency,
    coalesce(r.percents, 0) as percents, coalesce(c.cancelled, 0) as cancelled
from orders.statement_lines l
join orders.ledger_transactions t on t.id = l.ledger_transaction_id and t.kind = 'TAKE'
join orders.esim_orders o on o.id = l.order_id
join orders.payments p on p.order_id = o.id
left join lateral (
    select sum(refund_percent) as percents from orders.order_revocations
    where order_id = o.id and state <> 'REFUSED'
) r on true
left join lateral (
    select sum(amount) as cancelled from orders.refunds
    where order_id = o.id and reason = 'CANCELLED'
) c on true
where l.statement_id = any($1::uuid[]) and o.status = 'COMPLETED' and o.cancel_requested_at is not null
"""
# The tax in what did not go back so far: of the orders that a statement charges for, less what their refunds
# gave back of it, wherever these are billed, and what its credit notes did.
TAXES = """
with charged as (
    select l.order_id, l.tax_country, l.tax from orders.statement_lines l
    join orders.ledger_transactions t on t.id = l.ledger_transaction_id and t.kind = 'TAKE'
    where l.statement_id = $1
),
given_back as (
    select t.id from orders.ledger_transactions t
    where t.order_id in (select order_id from charged) and t.kind in ('REFUND', 'REFUND_FAILURE')
    union all
    select t.id from orders.statement_settlements s
    join orders.ledger_transactions t on t.key = 'credit_note:' || s.id
    where s.statement_id = $1 and s.kind = 'CREDIT_NOTE'
)
select country, sum(tax) as tax from (
    select tax_country, tax from charged
    union all
    select split_part(e.account, ':', 2), - e.amount
    from given_back g join orders.ledger_entries e on e.transaction_id = g.id and e.account like 'tax:%'
) taxes (country, tax) group by country having sum(tax) <> 0 order by country
"""


@dataclass(frozen=True, slots=True)
class Billed:
    """What a statement charges for, and what went back of it.

    `notes` are the numbers of its credit notes, `cancelling` what cancellations under way will give back of
    each order.
    """

    n: int
    currency: str
    charged: Decimal
    refunded: Decimal
    credited: Decimal
    notes: Sequence[int] = ()
    cancelling: dict[UUID, Decimal] = field(default_factory=dict, hash=False)

    @property
    def rest(self) -> Decimal:
        """Return what did not go back so far, with what is promised to cancellations under way."""
        return self.charged - self.refunded - self.credited

    @property
    def left(self) -> Decimal:
        """Return what can still be credited."""
        return self.left_for(None)

    def left_for(self, order_id: UUID | None) -> Decimal:
        """Return what can still go back of one of its orders, not counting that order's cancellation."""
        promised = sum(
            (amount for of, amount in self.cancelling.items() if of != order_id), NOTHING
        )
        return max(self.rest - promised, NOTHING)

    def limit(self, order_id: UUID) -> Limit:
        """Return the most that can go back of one of its orders."""
        left = self.left_for(order_id)
        rest = f"at most {money.plain(left):f} {self.currency}" if left else "nothing"
        return Limit(
            left,
            f"The statement ST-{self.n:06d} of this order has {_named(self.notes)}: {rest} of it can still"
            " go back",
        )


async def of_orders(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, Billed]:
    """Return the statements of orders, by order, without those that have no credit note."""
    rows = await connection.fetch(CREDITED, list(order_ids))
    statement_of = {row["order_id"]: row["statement_id"] for row in rows}
    if not statement_of:
        return {}
    found = await _of(connection, list(set(statement_of.values())))
    return {order_id: found[of] for order_id, of in statement_of.items()}


async def locked(connection: Connection, payment: Payment, order_id: UUID) -> Billed | None:
    """Lock the organization that bought an order on account, and return the statement of the order.

    None if the statement has no credit note, so that it limits nothing. The caller has locked the order.
    """
    if payment.method is not PaymentMethod.INVOICE:
        return None
    await connection.execute(LOCK, payment.organization_id)
    return (await of_orders(connection, [order_id])).get(order_id)


async def of_statement(connection: Connection, statement_id: UUID) -> Billed:
    """Return what went back of a statement; the caller has locked its organization."""
    return (await _of(connection, [statement_id]))[statement_id]


async def taxes(connection: Connection, statement_id: UUID) -> dict[str, Decimal]:
    """Return the tax in the `rest` of a statement, by country."""
    return {row["country"]: row["tax"] for row in await connection.fetch(TAXES, statement_id)}


async def tax_left(connection: Connection, order: Order) -> Decimal | None:
    """Return the most tax that a refund of an order gives back; None if no credit note limits it."""
    if order.organization_id is None:
        return None
    found = await connection.fetch(CREDITED, [order.id])
    if not found:
        return None
    left = await taxes(connection, found[0]["statement_id"])
    return left.get(order.tax_country or "unknown", NOTHING)


async def _of(connection: Connection, statement_ids: Sequence[UUID]) -> dict[UUID, Billed]:
    # In this order: a cancellation that ends in between must not count twice.
    billed = await connection.fetch(BILLED, statement_ids)
    cancelling: dict[UUID, dict[UUID, Decimal]] = {one: {} for one in statement_ids}
    for row in await connection.fetch(CANCELLING, statement_ids):
        cancelling[row["statement_id"]][row["order_id"]] = _promised(row)
    return {
        row["id"]: Billed(
            row["n"],
            row["currency"],
            row["charged"],
            row["refunded"],
            row["credited"],
            row["notes"] or (),
            cancelling[row["id"]],
        )
        for row in billed
    }


def _promised(row: Any) -> Decimal:
    """Return what a cancellation gives back if the provider accepts the return of all its bundles."""
    whole = due(row["captured"], row["percents"], row["quantity"], row["currency"])
    amount: Decimal = min(row["captured"] - row["refunded"], whole - row["cancelled"])
    return max(amount, NOTHING)


def _named(notes: Sequence[int]) -> str:
    """Return the numbers of credit notes for a message; of many only the last."""
    last = f"CN-{notes[-1]:06d}"
    if len(notes) == 1:
        return f"the credit note {last}"
    if len(notes) > 3:
        return f"{len(notes)} credit notes up to {last}"
    return f"the credit notes {', '.join(f'CN-{n:06d}' for n in notes)}"
