"""SQL of the eSIMs; every function takes the connection and commits nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.values import timestamps
from services.esims.esim import ESIM, ESIMStatus, ProviderState, Traveler

COLUMNS = """
    id, iccid, customer_id, order_id, plan_id, order_reference, bundle_name, customer_ref,
    auto_activate, status, provider_state, matching_id, smdp_address, assigned_date, last_action,
    action_date, order_cancelled_at, state_read_at, bundles_read_at, created_at, updated_at,
    activated_at, deletion_announced_at, last_country, last_country_at, profile_status,
    profile_status_at, msisdn, msisdn_at, message_failed_at, code_assigned_at,
    installed_at, organization_id, group_id,
    (
        select array[t.id::text, t.name, t.email, t.user_id::text]
        from esims.travelers t where t.id = traveler_id
    ) as traveler
"""


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
    if (traveler := row["traveler"]) is not None:
        id_, name, email, user_id = traveler
        values["traveler"] = Traveler(UUID(id_), name, email, UUID(user_id) if user_id else None)
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


SAVE_COUNTRIES = """
    update esims.esims e
    set last_country = n.last_country, last_country_at = n.last_country_at, updated_at = now()
    from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n(id, last_country, last_country_at)
    where e.id = n.id
"""


async def save_countries(connection: Connection, esims: Sequence[ESIM]) -> None:
    """Write only where eSIMs were last seen, of rows that `lock` holds."""
    await connection.execute(
        SAVE_COUNTRIES,
        [esim.id for esim in esims],
        [esim.last_country for esim in esims],
        [esim.last_country_at for esim in esims],
    )
