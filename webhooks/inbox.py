"""The stored callbacks: written and committed before anybody hears that they were received."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from kit.db import Connection


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it came in."""

    body: bytes
    headers: dict[str, str]
    event_type: str
    signed: bool


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
INSERT = """
insert into webhooks.inbox (digest, body, headers, event_type, signed)
values ($1, $2, $3, $4, $5) returning id
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
    stored = await connection.fetchval(
        INSERT, digest, callback.body, callback.headers, callback.event_type, callback.signed
    )
    return stored, True
