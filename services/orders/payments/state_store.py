"""SQL that changes payments; nothing here commits. Lock an order before its payment."""

from datetime import timedelta
from uuid import UUID

from kit.db.database import Connection
from services.orders.payment import Payment, PaymentState
from services.orders.payments.port import Intent
from services.orders.payments.store import COLUMNS, read_row

# Conditional on the state, so that no client gets a secret for a payment that was given up meanwhile, and on
# the time, as an expired payment is given up next.
REQUEST = f"""
update orders.payments p set requested_at = coalesce(p.requested_at, now()), updated_at = now()
where p.id = $1 and p.state = 'AWAITING' and p.expires_at > now()
returning {COLUMNS}
"""  # noqa: S608 - only COLUMNS goes in
STARTED = f"""
update orders.payments p
set intent_id = coalesce($2, p.intent_id), session_id = coalesce($3, p.session_id), updated_at = now()
where p.id = $1 and p.state = 'AWAITING'
returning {COLUMNS}
"""  # noqa: S608 - the same


async def record_request(connection: Connection, payment_id: UUID) -> Payment | None:
    """Record that the payment provider is about to be asked to start; None if the payment is not open.

    An expired payment is not open.
    """
    row = await connection.fetchrow(REQUEST, payment_id)
    return read_row(row) if row else None


async def record_started(
    connection: Connection,
    payment_id: UUID,
    *,
    intent_id: str | None = None,
    session_id: str | None = None,
) -> Payment | None:
    """Record the payment provider's ids; None if the payment is not open any more."""
    row = await connection.fetchrow(STARTED, payment_id, intent_id, session_id)
    return read_row(row) if row else None


AUTHORIZE = f"""
update orders.payments p
set state = $2, captured = case when $2 = 'PAID' then p.amount else 0 end, authorized_at = now(),
    intent_id = coalesce($3, p.intent_id), charge_id = coalesce($4, p.charge_id), capture_before = $5,
    card_fingerprint = $6, card_last4 = $7, failure = '', held_reason = $8,
    held_at = case when $8 <> '' then now() end, reference = $9, run = null, looks = 0,
    next_run_at = now() + $10::interval, updated_at = now()
where p.id = $1 and p.state = 'AWAITING'
returning {COLUMNS}
"""  # noqa: S608 - the same


async def authorize(
    connection: Connection,
    payment_id: UUID,
    state: PaymentState,
    *,
    intent: Intent | None = None,
    held_reason: str = "",
    reference: str = "",
    due_in: timedelta = timedelta(),
) -> Payment | None:
    """Record that a payment is AUTHORIZED or PAID; None if it does not await that any more.

    It is looked at again after `due_in`.
    """
    row = await connection.fetchrow(
        AUTHORIZE,
        payment_id,
        state,
        intent.id if intent else None,
        intent.charge_id if intent else None,
        intent.capture_before if intent else None,
        intent.card_fingerprint if intent else "",
        intent.card_last4 if intent else "",
        held_reason,
        reference,
        due_in,
    )
    return read_row(row) if row else None


CHANGE = f"""
update orders.payments p
set state = $3, captured = $4, charge_id = coalesce($5, p.charge_id), detail = coalesce($6, p.detail),
    reference = coalesce($7, p.reference), run = null, looks = 0, next_run_at = now() + $8::interval,
    updated_at = now(),
    -- A released payment that is paid in another way stands again.
    authorized_at = case when $2 = 'RELEASED' then now() else p.authorized_at end
where p.id = $1 and p.state = $2
returning {COLUMNS}
"""  # noqa: S608 - the same


async def change(
    connection: Connection,
    payment: Payment,
    state: PaymentState,
    *,
    charge_id: str | None = None,
    detail: str | None = None,
    reference: str | None = None,
    due_in: timedelta | None = None,
) -> Payment | None:
    """Move a payment to another state; None if it is no longer in the state that `payment` has.

    What is PAID or CAPTURED was taken whole; a RELEASED payment keeps what was taken before. It is looked at
    again after `due_in`; None: not before something happens to it.
    """
    taken = state in (PaymentState.PAID, PaymentState.CAPTURED)
    row = await connection.fetchrow(
        CHANGE,
        payment.id,
        payment.state,
        state,
        payment.amount if taken else payment.captured,
        charge_id,
        detail,
        reference,
        due_in,
    )
    return read_row(row) if row else None


LOCK = f"select {COLUMNS} from orders.payments p where p.id = $1 for no key update"  # noqa: S608 - the same


async def lock(connection: Connection, payment_id: UUID) -> Payment | None:
    """Return a payment, locked until the transaction ends. Lock its order first."""
    row = await connection.fetchrow(LOCK, payment_id)
    return read_row(row) if row else None


REVIEWED = f"""
update orders.payments p
set reviewed_at = now(), reviewed_by = $2, next_run_at = now(), updated_at = now()
where p.id = $1 and p.held_reason <> '' and p.reviewed_at is null
    and p.state in ('AUTHORIZED', 'PAID')
returning {COLUMNS}
"""  # noqa: S608 - the same


async def record_review(connection: Connection, payment_id: UUID, actor: str) -> Payment | None:
    """Record that a person has looked at a held payment; None if it is not held."""
    row = await connection.fetchrow(REVIEWED, payment_id, actor)
    return read_row(row) if row else None


RECORD_TRIES = """
update orders.payments set failure = $2, declines = greatest(declines, $3), updated_at = now()
where id = $1 and state = 'AWAITING' and (failure, declines) is distinct from ($2, $3)
"""


async def record_tries(
    connection: Connection, payment_id: UUID, failure: str, declines: int
) -> None:
    """Record how often the customer tried to pay in vain, and why the last try failed."""
    await connection.execute(RECORD_TRIES, payment_id, failure, declines)


async def record_detail(connection: Connection, payment_id: UUID, detail: str) -> None:
    """Record what operators should know."""
    await connection.execute(
        "update orders.payments set detail = $2, updated_at = now() where id = $1 and detail <> $2",
        payment_id,
        detail,
    )
