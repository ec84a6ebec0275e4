"""SQL of deliveries: which are due, and what became of them; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from opentelemetry.trace import SpanContext

from kit import tracing
from kit.db import Connection
from webhooks.events import Owner


class State(StrEnum):
    """Where a delivery is; the migration's comment has the words."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    KEPT = "KEPT"


@dataclass(frozen=True, slots=True)
class Due:
    """An event that this process hands over now."""

    id: UUID
    received_at: datetime
    body: bytes
    attempts: int
    trace: SpanContext | None  # of the request that brought it


# The rows are not held while the owner is called: a due time in the future keeps others away, and
# comes by itself when this process dies.
CLAIM = """
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
select i.id, i.received_at, i.body, i.trace_parent, t.attempts
from taken t join webhooks.inbox i on i.id = t.event_id
order by t.sequence
"""


async def claim(connection: Connection, owner: Owner, most: int, lease: float) -> list[Due]:
    """Takes on what is due, in the order of coming in; it is due again after `lease` seconds."""
    rows = await connection.fetch(CLAIM, owner, most, lease)
    return [
        Due(r["id"], r["received_at"], r["body"], r["attempts"], tracing.read(r["trace_parent"]))
        for r in rows
    ]


RELEASE = """
update webhooks.deliveries set next_attempt_at = least(created_at, now()), updated_at = now()
where event_id = any($1::uuid[]) and state = 'PENDING'
"""


async def release(connection: Connection, ids: Sequence[UUID]) -> None:
    """Gives back what could not be tried: due at once, in its old place, and no attempt."""
    await connection.execute(RELEASE, ids)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt; `pause` is in seconds until the next one of a PENDING one."""

    id: UUID
    state: State
    attempts: int
    outcome: str
    error: str = ""
    pause: float = 0.0


SETTLE = """
update webhooks.deliveries d
set state = n.state, attempts = n.attempts, outcome = n.outcome, last_error = n.error,
    next_attempt_at = now() + make_interval(secs => n.pause),
    settled_at = case when n.state <> 'PENDING' then now() end, updated_at = now()
from unnest($1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::float8[])
    as n(id, state, attempts, outcome, error, pause)
where d.event_id = n.id and d.state = 'PENDING'
"""


async def settle(connection: Connection, settled: Sequence[Settled]) -> None:
    """Writes what became of attempts; one that came to rest otherwise meanwhile stays so."""
    await connection.execute(
        SETTLE,
        [s.id for s in settled],
        [s.state for s in settled],
        [s.attempts for s in settled],
        [s.outcome for s in settled],
        [s.error for s in settled],
        [s.pause for s in settled],
    )


PRUNE = """
delete from webhooks.inbox where id in (
    select event_id from webhooks.deliveries
    where state = $3 and settled_at < now() - make_interval(days => $1)
    order by settled_at limit $2
)
"""


async def prune(connection: Connection, state: State, days: int, most: int) -> int:
    """Takes out up to `most` events that came to rest in that state so long ago, and gives how many."""
    status: str = await connection.execute(PRUNE, days, most, state)
    return int(status.rpartition(" ")[2])
