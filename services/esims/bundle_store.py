"""SQL of the bundles on eSIMs; every function takes the connection and commits nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.values import timestamps
from services.esims.bundle import ANNOUNCED, Assignment, AssignmentState, Bundle

# A bundle that only callbacks reported, and that the provider's full list does not contain, never existed.
# Callbacks don't say when a bundle was assigned, and the provider's answers do.
WAS_LISTED = f"""
    ({{row}}.absent_since is null or (
        {{row}}.assigned_at is not null and not starts_with({{row}}.assignment_id, '{ANNOUNCED}')
    ))
"""
SELECT_OF_ESIMS = f"""
    select b.esim_id, b.assignment_id, b.name, b.description, b.assignment_reference, b.state,
        b.initial_bytes, b.remaining_bytes, b.unlimited, b.assigned_at, b.started_at, b.ends_at,
        b.absent_since, b.read_at, b.ended_at, e.provider_state
    from esims.esim_bundles b
    join esims.esims e on e.id = b.esim_id
    where b.esim_id = any($1::uuid[]) and {WAS_LISTED.format(row="b")}
    order by b.assigned_at desc nulls last, b.assignment_id desc
"""  # noqa: S608 - constants only


async def list_of_esims(connection: Connection, esim_ids: Sequence[UUID]) -> list[Bundle]:
    """Return all bundles of these eSIMs that the session may see, newest first."""
    return [_bundle(row) for row in await connection.fetch(SELECT_OF_ESIMS, esim_ids)]


def _bundle(row: Any) -> Bundle:
    return Bundle(
        esim_id=row["esim_id"],
        assignment=Assignment(
            id=row["assignment_id"],
            name=row["name"],
            description=row["description"],
            reference=row["assignment_reference"],
            state=AssignmentState(row["state"]),
            initial_bytes=row["initial_bytes"],
            remaining_bytes=row["remaining_bytes"],
            unlimited=row["unlimited"],
            # An older version may have stored any time that was reported.
            assigned_at=timestamps.believable(row["assigned_at"]),
            started_at=timestamps.believable(row["started_at"]),
            ends_at=timestamps.believable(row["ends_at"]),
        ),
        absent=row["absent_since"] is not None,
        esim_suspended=row["provider_state"] == "suspended",
        esim_deactivated=row["provider_state"] == "deactivated",
        read_at=row["read_at"],
        ended_at=timestamps.believable(row["ended_at"]),
    )


@dataclass(frozen=True, slots=True)
class Report:
    """A report of an assignment; `at` is when the provider was queried, or the callback was received."""

    esim_id: UUID
    assignment: Assignment
    at: datetime


# An answer ($15) to a query that is newer than all stored reports replaces them. Callbacks and late answers
# are merged in any order: an ended bundle never reopens, and remaining data never grows. An answer older
# than the last full list is dropped. Bundles of a cancelled order are revoked, also if the provider was
# queried before the cancellation.
UPSERT = """
    insert into esims.esim_bundles as b (
        esim_id, assignment_id, customer_id, name, description, assignment_reference, state,
        initial_bytes, remaining_bytes, unlimited, assigned_at, started_at, ends_at, read_at,
        used_at, used_source
    )
    select e.id, n.assignment_id, e.customer_id, n.name, n.description, n.reference,
        case
            when e.order_cancelled_at is not null
                and starts_with(n.reference, e.order_reference || '-')
                and n.state in ('processing', 'queued', 'active')
            then 'revoked' else n.state end,
        n.initial_bytes, n.remaining_bytes, n.unlimited, n.assigned_at, n.started_at, n.ends_at,
        n.read_at,
        case when n.remaining_bytes is not null then n.read_at end,
        case when n.remaining_bytes is not null then case when $15 then 'READ' else 'CALLBACK' end end
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                $7::bigint[], $8::bigint[], $9::boolean[], $10::timestamptz[],
                $11::timestamptz[], $12::timestamptz[], $13::timestamptz[])
        as n(esim_id, assignment_id, name, description, reference, state, initial_bytes,
             remaining_bytes, unlimited, assigned_at, started_at, ends_at, read_at)
    join esims.esims e on e.id = n.esim_id
    where not $15::boolean or e.bundles_read_at is null or n.read_at >= e.bundles_read_at
    on conflict (esim_id, assignment_id) do update
    set description = coalesce(nullif(excluded.description, ''), b.description),
        assignment_reference =
            coalesce(nullif(excluded.assignment_reference, ''), b.assignment_reference),
        state = case
            when $15 and excluded.read_at >= b.read_at then excluded.state
            when b.state in ('expired', 'lapsed', 'revoked') then b.state
            when array_position($14::text[], excluded.state) < array_position($14, b.state)
            then b.state else excluded.state end,
        initial_bytes = coalesce(excluded.initial_bytes, b.initial_bytes),
        remaining_bytes = case
            when $15 and excluded.read_at >= b.read_at
            then coalesce(excluded.remaining_bytes, b.remaining_bytes)
            else least(excluded.remaining_bytes, b.remaining_bytes) end,
        unlimited = excluded.unlimited,
        assigned_at = coalesce(excluded.assigned_at, b.assigned_at),
        started_at = case
            when not $15 or excluded.read_at < b.read_at
            then coalesce(b.started_at, excluded.started_at)
            when excluded.state in ('processing', 'queued') then excluded.started_at
            else coalesce(excluded.started_at, b.started_at) end,
        ends_at = case
            when $15 and excluded.read_at >= b.read_at
                and excluded.state in ('processing', 'queued')
            then excluded.ends_at
            -- Still active after its end: that end was reported wrongly.
            when $15 and excluded.read_at >= b.read_at and excluded.state = 'active'
                and b.ends_at <= excluded.read_at
            then excluded.ends_at
            else coalesce(excluded.ends_at, b.ends_at) end,
        absent_since = case when b.absent_since > excluded.read_at then b.absent_since end,
        read_at = greatest(b.read_at, excluded.read_at),
        used_at = greatest(b.used_at, excluded.used_at),
        used_source = coalesce(excluded.used_source, b.used_source),
        updated_at = now()
"""


# An announced bundle becomes the assignment that the provider reports under its name.
ADOPT = """
    update esims.esim_bundles b set assignment_id = n.assignment_id
    from (
        select distinct on (esim_id, name) esim_id, name, assignment_id
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
            as reported(esim_id, assignment_id, name, state)
        order by esim_id, name, state = 'active' desc, assignment_id
    ) n
    where b.esim_id = n.esim_id and b.assignment_id = $5 || n.name
      and n.assignment_id <> b.assignment_id
      and not exists (
          select from esims.esim_bundles known
          where known.esim_id = n.esim_id and known.assignment_id = n.assignment_id
      )
"""


async def upsert(connection: Connection, reports: Sequence[Report], *, queried: bool) -> None:
    """Store assignments from the provider's answers (`queried`) or callbacks, in any order and repeatedly.

    Each assignment may be given once; unknown eSIMs are ignored.
    """
    rows = [report.assignment for report in reports]
    ids, names = [report.esim_id for report in reports], [row.name for row in rows]
    await connection.execute(
        ADOPT, ids, [row.id for row in rows], names, [row.state for row in rows], ANNOUNCED
    )
    await connection.execute(
        UPSERT,
        ids,
        [row.id for row in rows],
        names,
        [row.description for row in rows],
        [row.reference for row in rows],
        [row.state for row in rows],
        [row.initial_bytes for row in rows],
        [row.remaining_bytes for row in rows],
        [row.unlimited for row in rows],
        [row.assigned_at for row in rows],
        [row.started_at for row in rows],
        [row.ends_at for row in rows],
        [report.at for report in reports],
        list(AssignmentState),
        queried,
    )


# The provider no longer lists a bundle that lapsed because it was not used for 12 months.
MARK_ABSENT = """
    update esims.esim_bundles b
    set absent_since = r.queried_at, updated_at = now(),
        state = case
            when b.state = 'queued' and b.assigned_at <= r.queried_at - interval '364 days'
            then 'lapsed' else b.state end
    from unnest($1::uuid[], $2::timestamptz[]) as r(esim_id, queried_at)
    where b.esim_id = r.esim_id and b.read_at < r.queried_at and b.absent_since is null
"""


async def mark_absent(connection: Connection, queried_at: Mapping[UUID, datetime]) -> None:
    """Mark bundles that a full list of the eSIM, which was stored by `upsert`, did not contain."""
    await connection.execute(MARK_ABSENT, list(queried_at), list(queried_at.values()))


REVOKE_OF_ORDER = """
    update esims.esim_bundles b
    set state = 'revoked', read_at = greatest(b.read_at, $2), updated_at = now()
    from esims.esims e
    where e.id = b.esim_id and e.order_id = $1
      and starts_with(b.assignment_reference, e.order_reference || '-')
      and b.state in ('processing', 'queued', 'active')
"""


async def revoke_of_order(connection: Connection, order_id: UUID, now: datetime) -> None:
    """Mark the bundles that came with an order as revoked; used-up ones stay as they are.

    The provider's answer to a query before `now` does not restore them.
    """
    await connection.execute(REVOKE_OF_ORDER, order_id, now)


REVOKE_OF_REFERENCE = """
    update esims.esim_bundles
    set state = 'revoked', read_at = greatest(read_at, $3), updated_at = now()
    where esim_id = any($1::uuid[]) and starts_with(assignment_reference, $2 || '-')
      and state in ('processing', 'queued', 'active')
"""


async def revoke_of_reference(
    connection: Connection, esim_ids: Sequence[UUID], order_reference: str, now: datetime
) -> None:
    """Mark the bundles that an order of that reference put on these eSIMs as revoked."""
    await connection.execute(REVOKE_OF_REFERENCE, esim_ids, order_reference, now)


# The provider sends no callback when a bundle ends, and may be unreachable then.
EXPIRE_ENDED = """
    update esims.esim_bundles set state = 'expired', updated_at = now()
    where esim_id = any($1::uuid[]) and ends_at <= $2 and absent_since is null
      and state in ('processing', 'queued', 'active')
"""


async def expire_ended(connection: Connection, esim_ids: Sequence[UUID], now: datetime) -> None:
    """Mark bundles on these eSIMs as expired if their known end has passed."""
    await connection.execute(EXPIRE_ENDED, esim_ids, now)


SELECT_ENDED = """
    select distinct esim_id from (
        select esim_id from esims.esim_bundles
        where ends_at <= $1 and absent_since is null
            and state in ('processing', 'queued', 'active')
        order by ends_at limit $2
    ) b
"""


async def list_ended(connection: Connection, now: datetime, limit: int) -> list[UUID]:
    """Return eSIMs with bundles that are still open although their known end has passed."""
    rows = await connection.fetch(SELECT_ENDED, now, limit)
    return [row["esim_id"] for row in rows]
