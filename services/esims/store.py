"""SQL of the eSIMs; every function takes the connection and commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.values import timestamps
from services.esims.esim import ESIM, ESIMStatus, ProviderState

COLUMNS = """
    id, iccid, customer_id, order_id, plan_id, order_reference, bundle_name, customer_ref,
    auto_activate, status, provider_state, matching_id, smdp_address, assigned_date, last_action,
    action_date, order_cancelled_at, state_read_at, bundles_read_at, created_at, updated_at,
    activated_at, deletion_announced_at, last_country, last_country_at, profile_status,
    profile_status_at, msisdn, msisdn_at, message_failed_at, code_assigned_at,
    installed_at
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of eSIMs; a field that is None matches all."""

    statuses: Sequence[ESIMStatus] | None = None
    customer_id: UUID | None = None
    iccid: str | None = None


# Times that the provider reported; an older version stored implausible ones too.
REPORTED_TIMES = (
    "assigned_date",
    "activated_at",
    "deletion_announced_at",
    "profile_status_at",
    "message_failed_at",
    "code_assigned_at",
    "installed_at",
)


def read_row(row: Any) -> ESIM:
    """Build an eSIM from a row with COLUMNS."""
    values = {name: row[name] for name in ESIM.__dataclass_fields__}
    for name in REPORTED_TIMES:
        values[name] = timestamps.believable(values[name])
    values["status"] = ESIMStatus(row["status"])
    values["provider_state"] = ProviderState(row["provider_state"])
    return ESIM(**values)


SELECT_ONE = f"select {COLUMNS} from esims.esims where id = $1"  # noqa: S608 - constants only


async def get(connection: Connection, esim_id: UUID) -> ESIM | None:
    """Return an eSIM that the session may see, or None."""
    row = await connection.fetchrow(SELECT_ONE, esim_id)
    return None if row is None else read_row(row)


SELECT_MANY = f"select {COLUMNS} from esims.esims where id = any($1::uuid[])"  # noqa: S608 - constants only


async def get_many(connection: Connection, ids: Sequence[UUID]) -> list[ESIM]:
    """Return those that the session may see, in no particular order."""
    return [read_row(row) for row in await connection.fetch(SELECT_MANY, ids)]


SELECT_OF_ORDERS = f"""
    select {COLUMNS} from esims.esims
    where order_id = any($1::uuid[])
    order by created_at, iccid
"""  # noqa: S608 - constants only


async def list_of_orders(connection: Connection, order_ids: Sequence[UUID]) -> list[ESIM]:
    """Return the eSIMs of these orders that the session may see."""
    return [read_row(row) for row in await connection.fetch(SELECT_OF_ORDERS, order_ids)]


# A separate statement for one customer: PostgreSQL does not use the customer's index for a condition with
# "is null or", nor for the row security policies, which let administrators see all.
SELECT_PAGE = f"""
    select {COLUMNS} from esims.esims
    where ($1::text[] is null or status = any($1))
      and ($2::text is null or iccid = $2)
      and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
    order by created_at desc, id desc
    limit $5
"""  # noqa: S608 - constants only
SELECT_PAGE_OF_CUSTOMER = SELECT_PAGE.replace("where", "where customer_id = $6 and")
# Counting reads index entries one by one, so it stops here.
MAX_COUNTED = 10_000
COUNT = f"""
    select count(*)::int from (
        select from esims.esims
        where ($1::text[] is null or status = any($1))
          and ($2::text is null or iccid = $2)
        limit {MAX_COUNTED}
    ) as counted
"""  # noqa: S608 - constants only
COUNT_OF_CUSTOMER = COUNT.replace("where", "where customer_id = $3 and")


async def list_page(
    connection: Connection, criteria: Filter, after: tuple[datetime, UUID] | None, size: int
) -> list[ESIM]:
    """Return up to `size` eSIMs, newest first, that follow the creation time and id `after`."""
    created_at, last_id = after or (None, None)
    arguments = [criteria.statuses, criteria.iccid, created_at, last_id, size]
    if criteria.customer_id is None:
        rows = await connection.fetch(SELECT_PAGE, *arguments)
    else:
        rows = await connection.fetch(SELECT_PAGE_OF_CUSTOMER, *arguments, criteria.customer_id)
    return [read_row(row) for row in rows]


async def count(connection: Connection, criteria: Filter) -> int:
    """Return how many eSIMs match the filter; counting stops at MAX_COUNTED."""
    if criteria.customer_id is None:
        found = await connection.fetchval(COUNT, criteria.statuses, criteria.iccid)
    else:
        found = await connection.fetchval(
            COUNT_OF_CUSTOMER, criteria.statuses, criteria.iccid, criteria.customer_id
        )
    return int(found)


LOCK = f"select {COLUMNS} from esims.esims where id = any($1::uuid[]) order by id for update"  # noqa: S608 - constants only


async def lock(connection: Connection, ids: Sequence[UUID]) -> list[ESIM]:
    """Lock the rows until the transaction ends, always in the same order to avoid deadlocks."""
    return [read_row(row) for row in await connection.fetch(LOCK, ids)]


LOCK_ICCIDS = f"""
    select {COLUMNS} from esims.esims where iccid = any($1::text[]) order by id for update
"""  # noqa: S608 - constants only


async def lock_iccids(connection: Connection, iccids: Sequence[str]) -> list[ESIM]:
    """Lock the rows of those ICCIDs that are known, as `lock` does."""
    return [read_row(row) for row in await connection.fetch(LOCK_ICCIDS, iccids)]


LOCK_ORDER = f"select {COLUMNS} from esims.esims where order_id = $1 order by id for update"  # noqa: S608 - constants only


async def lock_order(connection: Connection, order_id: UUID) -> list[ESIM]:
    """Lock the rows of one order, as `lock` does."""
    return [read_row(row) for row in await connection.fetch(LOCK_ORDER, order_id)]


# The columns that `save` writes, each with its type. They have the names of ESIM's fields.
PUBLISHED = {
    "status": "text",
    "provider_state": "text",
    "matching_id": "text",
    "smdp_address": "text",
    "customer_ref": "text",
    "last_action": "text",
    "action_date": "timestamptz",
    "assigned_date": "timestamptz",
    "activated_at": "timestamptz",
    "deletion_announced_at": "timestamptz",
    "last_country": "text",
    "last_country_at": "timestamptz",
    "profile_status": "text",
    "msisdn": "text",
    "msisdn_at": "timestamptz",
    "message_failed_at": "timestamptz",
    "code_assigned_at": "timestamptz",
    "installed_at": "timestamptz",
}
# Also written, but a new value of these alone does not change `updated_at`.
INTERNAL = {
    "order_cancelled_at": "timestamptz",
    "state_read_at": "timestamptz",
    "bundles_read_at": "timestamptz",
    "profile_status_at": "timestamptz",
}
SAVED = PUBLISHED | INTERNAL
SAVE = f"""
    update esims.esims e
    set {", ".join(f"{name} = n.{name}" for name in SAVED)},
        updated_at = case
            when ({", ".join(f"e.{name}" for name in PUBLISHED)})
                is distinct from ({", ".join(f"n.{name}" for name in PUBLISHED)})
            then now() else e.updated_at end
    from unnest($1::uuid[],
                {", ".join(f"${at}::{kind}[]" for at, kind in enumerate(SAVED.values(), 2))})
        as n(id, {", ".join(SAVED)})
    where e.id = n.id
    returning e.id, e.updated_at
"""  # noqa: S608 - constants only


async def save(connection: Connection, esims: Sequence[ESIM]) -> dict[UUID, datetime]:
    """Write the changeable columns of rows that `lock` holds, and return each one's time of last change.

    A new query time alone is no change.
    """
    columns = [[getattr(esim, name) for esim in esims] for name in SAVED]
    rows = await connection.fetch(SAVE, [esim.id for esim in esims], *columns)
    return {row["id"]: row["updated_at"] for row in rows}


INSERT_NEW = f"""
    insert into esims.esims as e (
        order_id, plan_id, customer_id, order_reference, bundle_name, customer_ref, auto_activate,
        iccid, matching_id, smdp_address, status, assigned_date, last_action, action_date,
        reference_due_at, follow_at
    )
    select $1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::boolean,
        d.iccid, d.matching_id, d.smdp_address,
        case when d.matching_id <> '' and d.smdp_address <> ''
            then 'ASSIGNED' else 'PROCESSING' end,
        $11::timestamptz, 'Bundle Applied', $11::timestamptz,
        case when $6::text <> '' then $11::timestamptz end,
        case when $7::boolean or d.matching_id = '' or d.smdp_address = ''
            then $11::timestamptz end
    from unnest($8::text[], $9::text[], $10::text[]) as d(iccid, matching_id, smdp_address)
    order by d.iccid
    on conflict (iccid) do nothing
    returning {COLUMNS}
"""  # noqa: S608 - constants only
INSERT_DELIVERED = INSERT_NEW.replace(
    "do nothing",
    """do update
    set matching_id = coalesce(nullif(excluded.matching_id, ''), e.matching_id),
        smdp_address = coalesce(nullif(excluded.smdp_address, ''), e.smdp_address),
        updated_at = case
            when excluded.matching_id in ('', e.matching_id)
                and excluded.smdp_address in ('', e.smdp_address)
            then e.updated_at else now() end
    where e.customer_id = excluded.customer_id and e.order_id = excluded.order_id""",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The part of a delivery that all eSIMs of the order share."""

    order_id: UUID
    plan_id: UUID
    customer_id: UUID
    order_reference: str
    bundle_name: str
    customer_ref: str
    auto_activate: bool


async def insert_new(
    connection: Connection, delivery: Delivery, esims: Sequence[tuple[str, str, str]], now: datetime
) -> list[ESIM]:
    """Add eSIMs by ICCID, matching id and SM-DP+ address; known ICCIDs are not in the result."""
    return await _insert(connection, INSERT_NEW, delivery, esims, now)


async def insert_delivered(
    connection: Connection, delivery: Delivery, esims: Sequence[tuple[str, str, str]], now: datetime
) -> list[ESIM]:
    """Add eSIMs as `insert_new` does, or complete rows of the same order.

    An ICCID of another customer or order is left unchanged and is not in the result.
    """
    return await _insert(connection, INSERT_DELIVERED, delivery, esims, now)


async def _insert(
    connection: Connection,
    statement: str,
    delivery: Delivery,
    esims: Sequence[tuple[str, str, str]],
    now: datetime,
) -> list[ESIM]:
    rows = await connection.fetch(
        statement,
        delivery.order_id,
        delivery.plan_id,
        delivery.customer_id,
        delivery.order_reference,
        delivery.bundle_name,
        delivery.customer_ref,
        delivery.auto_activate,
        [iccid for iccid, _, _ in esims],
        [matching_id for _, matching_id, _ in esims],
        [smdp_address for _, _, smdp_address in esims],
        now,
    )
    return [read_row(row) for row in rows]
