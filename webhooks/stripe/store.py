"""SQL of the payment provider's events: the sender's id of the event is the dedupe key."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from kit.telemetry import tracing
from webhooks.callback import Understood
from webhooks.stripe.event import StripeEvent


@dataclass(frozen=True, slots=True)
class Stored:
    """The row of an event; `is_new` is false for a repeat."""

    id: UUID
    is_new: bool
    received_at: datetime


# One statement, so that no event exists without a delivery. Concurrent copies wait for the first one, and
# then are counted.
STORE = """
with stored as (
    insert into webhooks.inbox as i
        (digest, body, headers, event_type, signed, trace_parent, sender_event_id)
    values ($1, $2, $3, $4, true, $5, $6)
    on conflict (sender_event_id) do update
        set times_received = i.times_received + 1, last_received_at = now()
    returning i.id, i.times_received = 1 as is_new, i.received_at
), delivered as (
    insert into webhooks.deliveries (event_id, owner, state, last_error, settled_at, next_attempt_at)
    select id, $7, case when $7::text is null then 'KEPT' else 'PENDING' end, $8,
        case when $7::text is null then now() end, now() + make_interval(secs => $9)
    from stored where is_new
)
select id, is_new, received_at from stored
"""


async def store(
    connection: Connection,
    event: StripeEvent,
    understood: Understood,
    headers: dict[str, str],
    lease: float,
) -> Stored:
    """Store an event, or count it as a repeat. A new one is due after `lease` seconds."""
    row = await connection.fetchrow(
        STORE,
        hashlib.sha256(event.body).digest(),
        event.body,
        headers,
        event.type,
        tracing.to_traceparent(tracing.current_context()),
        event.id,
        understood.owner,
        understood.problem,
        lease,
    )
    if row is None:
        raise LookupError("an upsert without a row")
    return Stored(row["id"], row["is_new"], row["received_at"])
