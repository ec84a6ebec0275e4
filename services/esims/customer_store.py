"""SQL to export and erase the data of one customer."""

import hashlib
import logging
from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Database

logger = logging.getLogger(__name__)

# The owner of erased customers' rows; no session has this id.
ERASED = UUID(int=0)

# Whole rows, so that a column that is added later is exported too.
TABLES = {
    "esims": """
        select to_jsonb(e)::text as row from esims.esims e
        where e.customer_id = $1 order by e.created_at, e.id
    """,
    "esim_bundles": """
        select to_jsonb(b)::text as row from esims.esim_bundles b
        where b.customer_id = $1 order by b.created_at, b.assignment_id
    """,
}
LOCK = """
select id, iccid from esims.esims
where customer_id = $1 and (cardinality($2::text[]) = 0 or iccid = any($2))
order by id for update
"""
ERASE_BUNDLES = "update esims.esim_bundles set customer_id = $2 where esim_id = any($1::uuid[])"
# A trigger clears the personal columns. The empty reference is then sent to the provider too.
ERASE_ESIMS = """
update esims.esims
set customer_id = $2, updated_at = now(), reference_tries = 0,
    reference_due_at = case when customer_ref <> '' then now() end
where id = any($1::uuid[])
"""


async def export(database: Database, customer_id: UUID) -> list[tuple[str, str]]:
    """Return every row of the customer's, as the table's name and a JSON object."""
    async with database.system() as connection:
        return [
            (table, row["row"])
            for table, query in TABLES.items()
            for row in await connection.fetch(query, customer_id)
        ]


async def erase(database: Database, customer_id: UUID, iccids: Sequence[str]) -> list[str]:
    """Erase the customer's data from these eSIMs, or from all, in one transaction.

    Returns the ICCIDs of the erased eSIMs; others than the customer's are ignored.
    """
    async with database.system() as connection:
        rows = await connection.fetch(LOCK, customer_id, list(iccids))
        owned = [row["id"] for row in rows]
        await connection.execute(ERASE_BUNDLES, owned, ERASED)
        await connection.execute(ERASE_ESIMS, owned, ERASED)
    # The hash proves the erasure to a person who has the id, without naming the customer to others.
    fingerprint = hashlib.sha256(str(customer_id).encode()).hexdigest()[:16]
    logger.info("customer %s: personal data of %s eSIMs erased", fingerprint, len(rows))
    return [row["iccid"] for row in rows]
