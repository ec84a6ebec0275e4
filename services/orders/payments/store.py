"""SQL of payments: new rows, and reading them; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.payment import Payment, PaymentMethod, PaymentState, Refund
from services.orders.payments.refunds import refund_store

COLUMNS = """p.id, p.order_id, p.customer_id, p.method, p.amount, p.wallet_amount, p.currency, p.state,
    p.captured, p.refunded, p.refunded_to_card, p.hosted, p.requested_at, p.session_id, p.intent_id,
    p.charge_id, p.return_url, p.save_method, p.authorized_at, p.capture_before, p.expires_at, p.declines,
    p.failure, p.client_address, p.email_domain, p.account_created_at, p.card_fingerprint, p.card_last4,
    p.held_reason, p.held_at, p.reviewed_at, p.reviewed_by, p.policy, p.reference, p.next_run_at, p.looks,
    p.detail, p.created_at, p.updated_at, p.organization_id"""


def read_row(row: Any) -> Payment:
    """Build a payment from a row with COLUMNS."""
    values = dict(row)
    values["method"] = PaymentMethod(values["method"])
    values["state"] = PaymentState(values["state"])
    return Payment(**values)


# Authorized at the time of the transaction: the process's reading of the database's clock is a little ahead,
# and a purchase must not seem to begin before its payment.
INSERT = f"""
insert into orders.payments as p (
    id, order_id, customer_id, method, amount, wallet_amount, currency, state, hosted, return_url,
    save_method, authorized_at, expires_at, client_address, email_domain, account_created_at, held_reason,
    held_at, policy, next_run_at, organization_id, requested_at
) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, case when $12::timestamptz is not null then now() end,
    $13, $14, $15, $16, $17, $18, $19, $20, $21, $22
)
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS of this file goes in


async def insert(connection: Connection, new: Payment) -> Payment:
    """Record a payment that has not begun at the payment provider."""
    row = await connection.fetchrow(
        INSERT,
        new.id,
        new.order_id,
        new.customer_id,
        new.method,
        new.amount,
        new.wallet_amount,
        new.currency,
        new.state,
        new.hosted,
        new.return_url,
        new.save_method,
        new.authorized_at,
        new.expires_at,
        new.client_address,
        new.email_domain,
        new.account_created_at,
        new.held_reason,
        new.held_at,
        new.policy,
        new.next_run_at,
        new.organization_id,
        new.requested_at,
    )
    return read_row(row)


GET = f"select {COLUMNS} from orders.payments p where p.id = $1"  # noqa: S608 - only COLUMNS goes in
OF_ORDERS = f"select {COLUMNS} from orders.payments p where p.order_id = any($1::uuid[])"  # noqa: S608 - the same


async def get(connection: Connection, payment_id: UUID) -> Payment | None:
    row = await connection.fetchrow(GET, payment_id)
    return read_row(row) if row else None


async def of_orders(connection: Connection, order_ids: Sequence[UUID]) -> dict[UUID, Payment]:
    """Return the payments of orders, by order."""
    rows = await connection.fetch(OF_ORDERS, list(order_ids))
    return {row["order_id"]: read_row(row) for row in rows}


async def of_order(connection: Connection, order_id: UUID) -> Payment | None:
    return (await of_orders(connection, [order_id])).get(order_id)


REFUNDS = f"""
select {refund_store.COLUMNS} from orders.refunds r
where r.payment_id = any($1::uuid[]) order by r.created_at, r.id
"""  # noqa: S608 - only COLUMNS goes in
DISPUTED = "select distinct payment_id from orders.disputes where payment_id = any($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Attached:
    """What belongs to payments, by payment: refunds, oldest first, and which are disputed."""

    refunds: dict[UUID, list[Refund]]
    disputed: frozenset[UUID]


async def attached(connection: Connection, payment_ids: Sequence[UUID]) -> Attached:
    found: dict[UUID, list[Refund]] = {}
    for row in await connection.fetch(REFUNDS, list(payment_ids)):
        found.setdefault(row["payment_id"], []).append(refund_store.read_row(row))
    disputed = await connection.fetch(DISPUTED, list(payment_ids))
    return Attached(found, frozenset(row["payment_id"] for row in disputed))
