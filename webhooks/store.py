"""SQL of the inbox: callbacks are stored and committed before they are acknowledged."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from opentelemetry.trace import SpanContext

from kit.db.database import Connection
from kit.telemetry import tracing
from webhooks.callback import Understood


@dataclass(frozen=True, slots=True)
class Callback:
    """One callback as it was received, with its meaning."""

    body: bytes
    headers: dict[str, str]
    signed: bool
    understood: Understood
    trace: SpanContext | None = None  # of the request that delivered it


# Transactions with equal bodies run one at a time. All lock in the same order, which prevents deadlocks.
LOCK_DIGESTS = """
select pg_advisory_xact_lock(l.key) from (
    select distinct hashtextextended(encode(n.digest, 'hex'), 0) as key
    from unnest($1::bytea[]) as n(digest) order by key
) l
"""
COUNT_REPEATS = """
update webhooks.inbox i
set times_received = i.times_received + r.copies, last_received_at = now()
from (
    select distinct on (x.digest) x.id, n.copies
    from unnest($1::bytea[], $2::integer[]) as n(digest, copies)
    join webhooks.inbox x on x.digest = n.digest
    where x.received_at > now() - make_interval(secs => $3)
    order by x.digest, x.received_at desc
) r
where i.id = r.id
returning i.digest, i.id
"""
# One statement, so that no event exists without a delivery.
INSERT = """
with received as (
    select * from unnest($1::bytea[], $2::bytea[], $3::jsonb[], $4::text[], $5::boolean[],
                         $6::integer[], $7::text[], $8::text[], $9::text[], $10::text[],
                         $11::bytea[])
        with ordinality as n(digest, body, headers, event_type, signed, copies, owner, iccid,
                             problem, trace_parent, content_digest, position)
), stored as (
    insert into webhooks.inbox
        (digest, body, headers, event_type, signed, times_received, trace_parent, content_digest)
    select digest, body, headers, event_type, signed, copies, trace_parent, content_digest
    from received order by position
    returning digest, id
), delivered as (
    insert into webhooks.deliveries (event_id, owner, iccid, state, last_error, settled_at)
    select s.id, t.owner, t.iccid, case when t.owner is null then 'KEPT' else 'PENDING' end,
        t.problem, case when t.owner is null then now() end
    from received t join stored s on s.digest = t.digest
    order by t.position
)
select digest, id from stored
"""


async def store(
    connection: Connection, callbacks: Sequence[Callback], window: float
) -> list[tuple[UUID, bool]]:
    """Store callbacks, or count them as repeats of an equal body of the last `window` seconds.

    Return the event's id and whether it is new, for each callback in the given order. The number of
    statements doesn't depend on the number of callbacks.
    """
    digests = [hashlib.sha256(callback.body).digest() for callback in callbacks]
    copies = Counter(digests)
    await connection.execute(LOCK_DIGESTS, list(copies))
    repeated = await connection.fetch(COUNT_REPEATS, list(copies), list(copies.values()), window)
    ids: dict[bytes, UUID] = {row["digest"]: row["id"] for row in repeated}
    first = dict(zip(reversed(digests), reversed(callbacks), strict=True))
    new = {digest: first[digest] for digest in copies if digest not in ids}
    if new:
        stored = await connection.fetch(
            INSERT,
            list(new),
            [c.body for c in new.values()],
            [c.headers for c in new.values()],
            [c.understood.type for c in new.values()],
            [c.signed for c in new.values()],
            [copies[digest] for digest in new],
            [c.understood.owner for c in new.values()],
            [c.understood.iccid for c in new.values()],
            [c.understood.problem for c in new.values()],
            [tracing.to_traceparent(c.trace) for c in new.values()],
            [c.understood.content_digest for c in new.values()],
        )
        ids |= {row["digest"]: row["id"] for row in stored}
    results = []
    for digest in digests:
        # Of equal bodies in one batch, only the first is new.
        results.append((ids[digest], new.pop(digest, None) is not None))
    return results
