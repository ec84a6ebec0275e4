"""SQL of the payment provider's events: the sender's id of the event is the dedupe key."""

import hashlib
from uuid import UUID

from kit.db.database import Connection
from kit.telemetry import tracing
from webhooks.callback import Understood
from webhooks.stripe.event import StripeEvent

# One statement, so that no event exists without a delivery. Concurrent copies wait for the first one, and
# then are counted.
STORE = """
with stored as (
    insert into webhooks.inbox as i
        (digest, body, headers, event_type, signed, trace_parent, sender_event_id)
    values ($1, $2, $3, $4, true, $5, $6)
    on conflict (sender_event_id) do update
        set times_received = i.times_received + 1, last_received_at = now()
    returning i.id, i.times_received = 1 as is_new
), delivered as (
    insert into webhooks.deliveries (event_id, owner, state, last_error, settled_at)
    select id, $7, case when $7::text is null then 'KEPT' else 'PENDING' end, $8,
        case when $7::text is null then now() end
    from stored where is_new
)
select id, is_new from stored
"""


async def store(
    connection: Connection, event: StripeEvent, understood: Understood, headers: dict[str, str]
) -> tuple[UUID, bool]:
    """Store an event, or count it as a repeat. Return the id of its row and whether it is new."""
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
    )
    if row is None:
        raise LookupError("an upsert without a row")
    return row["id"], row["is_new"]
