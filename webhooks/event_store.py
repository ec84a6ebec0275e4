"""SQL of the events that operators list and replay; nothing here commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from webhooks.delivery_store import STATE, State
from webhooks.reading import KNOWN


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of events; a field that is None or empty matches all."""

    states: Sequence[State] = ()
    types: Sequence[str] = ()
    iccid: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: Sequence[UUID] = ()

    @property
    def matches_all(self) -> bool:
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Event:
    """A callback and its delivery, without the body."""

    id: UUID
    received_at: datetime
    event_type: str
    iccid: str | None
    signed: bool
    times_received: int
    state: State
    owner: str | None
    attempts: int
    next_attempt_at: datetime
    last_error: str
    outcome: str
    settled_at: datetime | None


COLUMNS = f"""i.id, i.received_at, i.event_type, d.iccid, i.signed, i.times_received, {STATE} as state,
    d.owner, d.attempts, d.next_attempt_at, d.last_error, d.outcome, d.settled_at"""
WHERE = f"""(cardinality($1::text[]) = 0 or {STATE} = any($1))
    and (cardinality($2::text[]) = 0 or i.event_type = any($2))
    and ($3::text is null or d.iccid = $3)
    and ($4::timestamptz is null or i.received_at >= $4)
    and ($5::timestamptz is null or i.received_at < $5)
    and (cardinality($6::uuid[]) = 0 or i.id = any($6))"""
LIST = f"""
select {COLUMNS} from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id
where {WHERE} and ($7::timestamptz is null or (i.received_at, i.id) < ($7, $8::uuid))
order by i.received_at desc, i.id desc limit $9
"""  # noqa: S608 - constants only


def _arguments(criteria: Filter) -> list[Any]:
    return [
        list(criteria.states),
        list(criteria.types),
        criteria.iccid,
        criteria.since,
        criteria.until,
        list(criteria.ids),
    ]


def _event(row: Any) -> Event:
    return Event(
        **{name: row[name] for name in Event.__dataclass_fields__ if name != "state"},
        state=State(row["state"]),
    )


async def list_events(
    connection: Connection, criteria: Filter, after: tuple[datetime, UUID] | None, limit: int
) -> list[Event]:
    """Return events that follow the time and id `after`, newest first."""
    received_at, last_id = after or (None, None)
    rows = await connection.fetch(LIST, *_arguments(criteria), received_at, last_id, limit)
    return [_event(row) for row in rows]


GET = f"""
select {COLUMNS}, i.body, i.headers
from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id where i.id = $1
"""  # noqa: S608 - constants only


async def get(
    connection: Connection, event_id: UUID
) -> tuple[Event, bytes, Mapping[str, str]] | None:
    row = await connection.fetchrow(GET, event_id)
    return None if row is None else (_event(row), row["body"], row["headers"])


REPLAY = f"""
update webhooks.deliveries d
set state = 'PENDING', attempts = 0, next_attempt_at = now(), settled_at = null, last_error = '',
    outcome = '', updated_at = now()
from webhooks.inbox i
where i.id = d.event_id and d.owner is not null and {WHERE}
"""  # noqa: S608 - constants only


async def replay(connection: Connection, criteria: Filter) -> int:
    """Have events delivered again from the beginning; return how many."""
    status: str = await connection.execute(REPLAY, *_arguments(criteria))
    return int(status.rpartition(" ")[2])


UNOWNED = f"""
select i.id, i.body, i.sender_event_id from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id
where d.owner is null and {WHERE} and i.id > $7 order by i.id limit $8
"""  # noqa: S608 - constants only


async def list_unowned(
    connection: Connection, criteria: Filter, after: UUID, limit: int
) -> list[tuple[UUID, bytes, str | None]]:
    """Return events without an owner, with body and the sender's id of the event, in the order of ids."""
    rows = await connection.fetch(UNOWNED, *_arguments(criteria), after, limit)
    return [(row["id"], row["body"], row["sender_event_id"]) for row in rows]


ADOPT = """
update webhooks.deliveries d
set owner = n.owner, iccid = n.iccid, state = 'PENDING', attempts = 0, next_attempt_at = now(),
    settled_at = null, last_error = '', outcome = '', updated_at = now()
from unnest($1::uuid[], $2::text[], $3::text[]) as n(id, owner, iccid) where d.event_id = n.id
"""


async def adopt(connection: Connection, rows: Sequence[tuple[UUID, str, str | None]]) -> None:
    """Assign an owner to events that had none, and have them delivered."""
    await connection.execute(
        ADOPT, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows]
    )


UNDELIVERED = f"""
select {STATE} as state, count(*) as events
from webhooks.deliveries d where d.state <> 'DELIVERED' group by 1
"""  # noqa: S608 - constants only
OLDEST = """
select owner, attempts, last_error, extract(epoch from now() - created_at)::float8 as age
from webhooks.deliveries where state = 'PENDING' order by created_at limit 1
"""


@dataclass(frozen=True, slots=True)
class Oldest:
    """The pending event that was received first; `age` in seconds, `last_error` of its last attempt."""

    age: float = 0.0
    owner: str = ""
    attempts: int = 0
    last_error: str = ""


async def undelivered(connection: Connection) -> tuple[Oldest, dict[State, int]]:
    """Return the oldest pending event, and the number of undelivered events by state."""
    rows = await connection.fetch(UNDELIVERED)
    row = await connection.fetchrow(OLDEST)
    oldest = (
        Oldest(row["age"], row["owner"], row["attempts"], row["last_error"]) if row else Oldest()
    )
    return oldest, {State(row["state"]): row["events"] for row in rows}


# Senders choose the type, so all unknown types are counted together.
COUNTS = f"""
select case when i.event_type = any($1) then i.event_type else 'unknown' end as event_type,
    {STATE} as state, count(*) as events
from webhooks.inbox i join webhooks.deliveries d on d.event_id = i.id
group by 1, 2 order by 1, 2
"""  # noqa: S608 - constants only
TOTALS = """
select count(*) as stored, coalesce(sum(times_received - 1), 0)::bigint as repeats
from webhooks.inbox
"""


async def counts(connection: Connection) -> tuple[list[tuple[str, State, int]], int, int]:
    """Return the counts by type and state, the number of events, and the number of repeats."""
    rows = await connection.fetch(COUNTS, sorted(KNOWN))
    totals = await connection.fetchrow(TOTALS)
    if totals is None:
        raise LookupError("an aggregate without a row")
    return (
        [(row["event_type"], State(row["state"]), row["events"]) for row in rows],
        totals["stored"],
        totals["repeats"],
    )
