"""The stored callbacks: written and committed before anybody hears that they were received."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from kit.db import Connection
from webhooks.events import Understood


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it came in, and what it says."""

    body: bytes
    headers: dict[str, str]
    signed: bool
    understood: Understood


# Two equal bodies at the same moment wait for one another here, until the transaction ends.
LOCK_DIGEST = "select pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), 0))"
COUNT_REPEAT = """
update webhooks.inbox set times_received = times_received + 1, last_received_at = now()
where id = (
    select id from webhooks.inbox
    where digest = $1 and received_at > now() - make_interval(secs => $2)
    order by received_at desc limit 1
)
returning id
"""
# The event and its delivery are one statement: neither is ever there without the other.
INSERT = """
with stored as (
    insert into webhooks.inbox (digest, body, headers, event_type, signed)
    values ($1, $2, $3, $4, $5) returning id
)
insert into webhooks.deliveries (event_id, owner, iccid, state, last_error, settled_at)
select id, $6::text, $7, case when $6 is null then 'KEPT' else 'PENDING' end, $8,
    case when $6 is null then now() end
from stored
returning event_id
"""


async def store(connection: Connection, callback: Callback, window: float) -> tuple[UUID, bool]:
    """Stores a callback, or counts it as a repeat of an equal body of the last `window` seconds.

    Gives the event's id and whether it is new.
    """
    digest = hashlib.sha256(callback.body).digest()
    await connection.execute(LOCK_DIGEST, digest)
    repeated = await connection.fetchval(COUNT_REPEAT, digest, window)
    if repeated is not None:
        return repeated, False
    understood = callback.understood
    stored = await connection.fetchval(
        INSERT,
        digest,
        callback.body,
        callback.headers,
        understood.type,
        callback.signed,
        understood.owner,
        understood.iccid,
        understood.problem,
    )
    return stored, True
