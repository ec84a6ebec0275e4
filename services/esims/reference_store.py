"""SQL of references that have to be sent to the provider; nothing here commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from kit.db.database import Connection


@dataclass(frozen=True, slots=True)
class Pending:
    """A reference to send; `tries` includes this attempt."""

    esim_id: UUID
    iccid: str
    reference: str
    tries: int


CLAIM = """
    update esims.esims
    set reference_due_at = $1::timestamptz + $2::interval, reference_tries = reference_tries + 1
    where id in (
        select id from esims.esims
        where reference_due_at <= $1 order by reference_due_at limit $3 for update skip locked
    )
    returning id, iccid, customer_ref, reference_tries
"""


async def claim(
    connection: Connection, now: datetime, lease: timedelta, limit: int
) -> list[Pending]:
    """Claim references that are due; after a crash they are due again when the lease ends."""
    rows = await connection.fetch(CLAIM, now, lease, limit)
    return [
        Pending(row["id"], row["iccid"], row["customer_ref"], row["reference_tries"])
        for row in rows
    ]


SCHEDULE = """
update esims.esims set reference_due_at = $2 where id = $1 and reference_due_at is null
"""


async def schedule(connection: Connection, esim_id: UUID, at: datetime) -> bool:
    """Have the stored reference sent at that time; False if it is to be sent anyway."""
    status: str = await connection.execute(SCHEDULE, esim_id, at)
    return status == "UPDATE 1"


# A reference that was changed while the older one was being sent is sent again.
SETTLE = """
    with held as (
        select id from esims.esims where id = any($1::uuid[]) order by id for update
    )
    update esims.esims e
    set reference_due_at = case when e.customer_ref = n.sent then n.due_at else now() end,
        reference_tries = case
            when e.customer_ref = n.sent and n.due_at is not null then e.reference_tries else 0 end
    from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n(id, sent, due_at)
    join held on held.id = n.id
    where e.id = n.id
"""


async def record_outcomes(
    connection: Connection, outcomes: Sequence[tuple[UUID, str, datetime | None]]
) -> None:
    """Record for each eSIM the reference that was sent, and when to send it again.

    None: the provider has it, or it was given up.
    """
    await connection.execute(
        SETTLE,
        [esim_id for esim_id, _, _ in outcomes],
        [sent for _, sent, _ in outcomes],
        [due_at for _, _, due_at in outcomes],
    )
