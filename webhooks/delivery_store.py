"""SQL of deliveries: claiming due ones, and the outcomes of attempts; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from opentelemetry.trace import SpanContext

from kit.db.database import Connection
from kit.telemetry import tracing
from webhooks.callback import Owner


class State(StrEnum):
    """State of a delivery.

    PENDING: to be delivered. DELIVERED: applied by its owner. DEAD: a dead letter. KEPT: stored without an
    owner. FOREIGN: about an eSIM or order that is not registered here, retried at growing intervals."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    KEPT = "KEPT"
    FOREIGN = "FOREIGN"


# In the table, foreign events have the state KEPT and an owner, because older versions, which may run at the
# same time during an upgrade, don't know FOREIGN.
IS_FOREIGN = "state = 'KEPT' and owner is not null"
STATE = "case when d.state = 'KEPT' and d.owner is not null then 'FOREIGN' else d.state end"


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed event; `repeated` if an earlier one with equal content is delivered or pending."""

    id: UUID
    received_at: datetime
    body: bytes
    attempts: int
    trace: SpanContext | None  # of the request that delivered it
    repeated: bool = False
    foreign: bool = False


# The rows are not locked while the owner is called: a due time in the future is the lease, which expires
# if this process dies.
CLAIM_PENDING = """
with due as (
    select event_id from webhooks.deliveries
    where state = 'PENDING' and owner = $1 and next_attempt_at <= now()
    order by next_attempt_at, sequence limit $2 for update skip locked
), taken as (
    update webhooks.deliveries d
    set next_attempt_at = now() + make_interval(secs => $3), updated_at = now()
    from due where d.event_id = due.event_id
    returning d.event_id, d.sequence, d.attempts
)
select i.id, i.received_at, i.body, i.trace_parent, t.attempts,
    exists (
        select from webhooks.inbox x join webhooks.deliveries dx on dx.event_id = x.id
        where x.digest = i.digest and dx.sequence < t.sequence
            and dx.state in ('PENDING', 'DELIVERED')
    ) or exists (
        select from webhooks.inbox x join webhooks.deliveries dx on dx.event_id = x.id
        where x.content_digest = i.content_digest and dx.sequence < t.sequence
            and dx.state in ('PENDING', 'DELIVERED')
    ) as repeated
from taken t join webhooks.inbox i on i.id = t.event_id
order by t.sequence
"""
CLAIM_FOREIGN = CLAIM_PENDING.replace("state = 'PENDING'", IS_FOREIGN)


async def claim(
    connection: Connection, owner: Owner, limit: int, lease: float, *, foreign: bool = False
) -> list[Due]:
    """Claim due events in the order of their arrival; they are due again after `lease` seconds."""
    rows = await connection.fetch(CLAIM_FOREIGN if foreign else CLAIM_PENDING, owner, limit, lease)
    return [
        Due(
            r["id"],
            r["received_at"],
            r["body"],
            r["attempts"],
            tracing.from_traceparent(r["trace_parent"]),
            r["repeated"],
            foreign,
        )
        for r in rows
    ]


RELEASE = """
update webhooks.deliveries set next_attempt_at = least(created_at, now()), updated_at = now()
where event_id = any($1::uuid[]) and state = 'PENDING'
"""


async def release(connection: Connection, ids: Sequence[UUID]) -> None:
    """Release claimed events that could not be attempted: they are due at once, in their former order."""
    await connection.execute(RELEASE, ids)


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The outcome of an attempt; `pause` is in seconds until the next one of a PENDING or FOREIGN event."""

    id: UUID
    state: State
    attempts: int
    outcome: str
    error: str = ""
    pause: float = 0.0


SETTLE = """
update webhooks.deliveries d
set state = case n.state when 'FOREIGN' then 'KEPT' else n.state end,
    owner = case when n.state <> 'KEPT' then d.owner end,
    attempts = n.attempts, outcome = n.outcome, last_error = n.error,
    next_attempt_at = now() + make_interval(secs => n.pause),
    settled_at = case n.state
        when 'PENDING' then null when 'FOREIGN' then coalesce(d.settled_at, now()) else now() end,
    updated_at = now()
from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::float8[])
    as n(id, state, attempts, outcome, error, pause)
where d.event_id = n.id and d.state in ('PENDING', 'KEPT')
"""
# Once one event of an eSIM is delivered, its foreign events are due at once.
WAKE_FOREIGN = f"""
update webhooks.deliveries set next_attempt_at = now(), updated_at = now()
where {IS_FOREIGN} and next_attempt_at > now()
    and iccid in (select iccid from webhooks.deliveries where event_id = any($1::uuid[]))
"""  # noqa: S608 - constants only


async def record_results(connection: Connection, results: Sequence[AttemptResult]) -> None:
    """Write the outcomes of attempts; an event that was settled in the meantime stays as it is."""
    await connection.execute(
        SETTLE,
        [s.id for s in results],
        [s.state for s in results],
        [s.attempts for s in results],
        [s.outcome for s in results],
        [s.error for s in results],
        [s.pause for s in results],
    )
    if delivered := [s.id for s in results if s.state is State.DELIVERED]:
        await connection.execute(WAKE_FOREIGN, delivered)


PRUNE = """
delete from webhooks.inbox where id in (
    select event_id from webhooks.deliveries
    where state = $3 and settled_at < now() - make_interval(days => $1)
    order by settled_at limit $2
)
"""


async def prune(connection: Connection, state: State, days: int, limit: int) -> int:
    """Delete up to `limit` events that were settled in that state so many days ago, and return how many."""
    status: str = await connection.execute(PRUNE, days, limit, state)
    return int(status.rpartition(" ")[2])
