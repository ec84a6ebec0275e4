"""SQL of disputes; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from services.orders.books.postings import paid_manually
from services.orders.payment import Payment, PaymentState
from services.orders.payments.port import ProviderDispute

COLUMNS = """d.id, p.order_id, d.amount, d.currency, d.reason, d.status, d.respond_by,
    d.withdrawn, d.created_at, d.closed_at"""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute as it was read last; `order_id` is None if a top-up is disputed."""

    id: str
    order_id: UUID | None
    amount: Decimal
    currency: str
    reason: str
    status: str
    respond_by: datetime | None
    withdrawn: bool
    created_at: datetime
    closed_at: datetime | None


def _dispute(row: Any) -> Dispute:
    return Dispute(**dict(row))


RECORD = """
with before as (select closed_at is not null as closed from orders.disputes where id = $1)
insert into orders.disputes as d
    (id, payment_id, amount, currency, reason, status, respond_by, withdrawn, created_at, closed_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $10 then now() end)
on conflict (id) do update set
    amount = $3, reason = $5, status = $6, respond_by = $7, withdrawn = $8, updated_at = now(),
    closed_at = case when $10 then coalesce(d.closed_at, now()) end
returning (select closed from before) as was_closed
"""


async def record(
    connection: Connection, dispute: ProviderDispute, payment_id: UUID
) -> tuple[bool, bool]:
    """Record a dispute as it is now; return whether it is new, and whether it was closed by this.

    The caller has locked the payment.
    """
    was_closed: bool | None = await connection.fetchval(
        RECORD,
        dispute.id,
        payment_id,
        dispute.amount,
        dispute.currency,
        dispute.reason,
        dispute.status,
        dispute.respond_by,
        dispute.withdrawn,
        dispute.created_at,
        dispute.closed,
    )
    return was_closed is None, dispute.closed and not was_closed


LIST = f"""
select {COLUMNS} from orders.disputes d join orders.payments p on p.id = d.payment_id
where (not $1 or d.closed_at is null)
    and ($2::timestamptz is null or (d.created_at, d.id) < ($2, $3))
order by d.created_at desc, d.id desc limit $4
"""  # noqa: S608 - constants only


async def list_disputes(
    connection: Connection, *, open_only: bool, after: tuple[datetime, str] | None, limit: int
) -> list[Dispute]:
    """Return at most `limit` disputes that follow the time and id `after`, the newest first."""
    created_at, dispute_id = after or (None, None)
    rows = await connection.fetch(LIST, open_only, created_at, dispute_id, limit)
    return [_dispute(row) for row in rows]


OF_PAYMENT = f"""
select {COLUMNS} from orders.disputes d join orders.payments p on p.id = d.payment_id
where d.payment_id = $1 order by d.created_at desc, d.id desc
"""  # noqa: S608 - constants only


async def of_payment(connection: Connection, payment_id: UUID) -> Sequence[Dispute]:
    """Return the disputes of a payment, the newest first."""
    return [_dispute(row) for row in await connection.fetch(OF_PAYMENT, payment_id)]


WITHDRAWN = """
select coalesce(sum(case when d.currency = p.currency then d.amount else p.captured end), 0)
from orders.disputes d join orders.payments p on p.id = d.payment_id
where d.payment_id = $1 and (d.withdrawn or d.status = 'lost')
"""


async def withdrawn(connection: Connection, payment_id: UUID) -> Decimal:
    """Return what disputes have taken back of a payment."""
    return Decimal(await connection.fetchval(WITHDRAWN, payment_id))


async def takes_payment(connection: Connection, payment: Payment) -> bool:
    """Return whether disputes have withdrawn a payment that was captured before the delivery of its order."""
    return (
        payment.state is PaymentState.PAID
        and not paid_manually(payment)
        and await withdrawn(connection, payment.id) > 0
    )


HOLDS_CHARGE = """
select exists (select from orders.disputes where payment_id = $1 and withdrawn and closed_at is null)
"""


async def holds_charge(connection: Connection, payment_id: UUID) -> bool:
    """Return whether a dispute is open that has withdrawn money: nothing can go back to the card then."""
    return bool(await connection.fetchval(HOLDS_CHARGE, payment_id))


OPEN = """
select count(*)::int as number, min(respond_by) as respond_by from orders.disputes
where closed_at is null and status in ('needs_response', 'warning_needs_response', 'appeal_needs_response')
"""


async def to_answer(connection: Connection) -> tuple[int, datetime | None]:
    """Return how many disputes wait for an answer, and until when the first one has to be answered."""
    row = await connection.fetchrow(OPEN)
    return (0, None) if row is None else (row["number"], row["respond_by"])
