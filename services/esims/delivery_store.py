"""SQL that records the eSIMs of a delivery; every function takes the connection and commits nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kit.db.database import Connection
from services.esims import store
from services.esims.esim import ESIM

INSERT_NEW = f"""
    insert into esims.esims as e (
        order_id, plan_id, customer_id, order_reference, bundle_name, customer_ref, auto_activate,
        iccid, matching_id, smdp_address, status, assigned_date, last_action, action_date,
        reference_due_at, follow_at, organization_id, group_id
    )
    select $1::uuid, $2::uuid, $3::uuid, $4::text, $5::text, $6::text, $7::boolean,
        d.iccid, d.matching_id, d.smdp_address,
        case when d.matching_id <> '' and d.smdp_address <> ''
            then 'ASSIGNED' else 'PROCESSING' end,
        $11::timestamptz, 'Bundle Applied', $11::timestamptz,
        case when $6::text <> '' then $11::timestamptz end,
        case when $7::boolean or d.matching_id = '' or d.smdp_address = ''
            then $11::timestamptz end,
        $12::uuid, $13::uuid
    from unnest($8::text[], $9::text[], $10::text[]) as d(iccid, matching_id, smdp_address)
    order by d.iccid
    on conflict (iccid) do nothing
    returning {store.COLUMNS}
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
    where e.order_id = excluded.order_id
        and e.organization_id is not distinct from excluded.organization_id
        and (e.customer_id = excluded.customer_id or e.organization_id is not null)""",
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
    organization_id: UUID | None = None
    group_id: UUID | None = None


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
        delivery.organization_id,
        delivery.group_id,
    )
    return [store.read_row(row) for row in rows]
