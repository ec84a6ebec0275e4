"""SQL to export and erase the data of one customer."""

import hashlib
import logging
from collections.abc import Sequence
from uuid import UUID

from kit.db.database import Database
from services.esims.travelers import share_link_store

logger = logging.getLogger(__name__)

# The owner of erased customers' rows; no session has this id.
ERASED = UUID(int=0)

# Whole rows, so that a column that is added later is exported too. What installs an organization's eSIM is no
# data of the person who bought it, the hashes of links are nobody's, and the ids of other people are theirs.
# Several people may have traveled with an organization's eSIM in turn, so where it was is not data of one of
# them.
TABLES = {
    "esims": """
        select (to_jsonb(e) - case
            when e.organization_id is null then array[]::text[]
            else array['matching_id', 'smdp_address', 'msisdn', 'customer_ref'] end)::text as row
        from esims.esims e where e.customer_id = $1 order by e.created_at, e.id
    """,
    "esim_bundles": """
        select to_jsonb(b)::text as row from esims.esim_bundles b
        where b.customer_id = $1 order by b.created_at, b.assignment_id
    """,
    "traveled_esims": """
        select jsonb_build_object(
            'id', e.id, 'iccid', e.iccid, 'organization_id', e.organization_id, 'traveler_id', e.traveler_id,
            'status', e.status, 'installed_at', e.installed_at, 'last_country', e.last_country,
            'last_country_at', e.last_country_at
        )::text as row from esims.esims e where e.traveler_user_id = $1 order by e.created_at, e.id
    """,
    "usage_samples": """
        select to_jsonb(s)::text as row from esims.usage_samples s join esims.esims e on e.id = s.esim_id
        where e.customer_id = $1 and e.organization_id is null order by s.id
    """,
    "visits": """
        select to_jsonb(v)::text as row from esims.visits v join esims.esims e on e.id = v.esim_id
        where e.customer_id = $1 and e.organization_id is null order by v.id
    """,
    "travelers": """
        select (to_jsonb(t) - case when t.owner_id = $1 then '' else 'owner_id' end)::text as row
        from esims.travelers t
        where t.owner_id = $1 or t.user_id = $1
            or (t.user_id is null and lower(t.email) = any(select lower(e) from unnest($2::text[]) e))
        order by t.created_at, t.id
    """,
    "memberships": """
        select to_jsonb(m)::text as row from esims.memberships m
        where m.user_id = $1 order by m.organization_id
    """,
    "share_links": """
        select (to_jsonb(l) - array['token_hash', 'pin_hash'] - case
            when l.created_by = $1::uuid::text then '' else 'created_by' end)::text as row
        from esims.share_links l join esims.esims e on e.id = l.esim_id
        where (e.customer_id = $1 and e.organization_id is null) or l.created_by = $1::uuid::text
        order by l.created_at, l.id
    """,
}
# The customer's eSIMs of these ICCIDs, and those on which they travel. They are locked at once, in the order
# of their ids, as everywhere.
LOCK = """
with wanted as (
    select id, iccid, customer_id = $1 and (cardinality($2::text[]) = 0 or iccid = any($2)) as is_own,
        traveler_user_id is not distinct from $1 as is_traveled
    from esims.esims where customer_id = $1 or traveler_user_id = $1
    order by id for update
)
select * from wanted where is_own or is_traveled
"""
ERASE_BUNDLES = "update esims.esim_bundles set customer_id = $2 where esim_id = any($1::uuid[])"
# Triggers clear the personal columns of the customer's own eSIMs, and unlink their usage and visits. The
# empty reference is then sent to the provider too. An organization's eSIM only no longer says who bought it.
ERASE_ESIMS = """
update esims.esims
set customer_id = $2, updated_at = now(), reference_tries = 0,
    reference_due_at = case
        when organization_id is not null then reference_due_at when customer_ref <> '' then now() end
where id = any($1::uuid[])
"""
REVOKE_LINKS = """
update esims.share_links l set revoked_at = coalesce(l.revoked_at, now())
from esims.esims e
where e.id = l.esim_id and e.id = any($1::uuid[]) and e.organization_id is null
"""
# Everything else that names the person, whichever eSIMs were requested. Rows of the outbox are deleted, as no
# reader needs the past of somebody who is erased.
ERASE_PERSON = (
    """
    update esims.esims set traveler_id = null, traveler_user_id = null, updated_at = now()
    where traveler_user_id = $1
    """,
    """
    update esims.travelers
    set name = '', email = '', user_id = null, updated_at = now(),
        owner_id = case when owner_id is not null then '00000000-0000-0000-0000-000000000000'::uuid end
    where owner_id = $1 or user_id = $1
    """,
    "delete from esims.memberships where user_id = $1",
    """
    update esims.share_links set created_by = '00000000-0000-0000-0000-000000000000'
    where created_by = $1::uuid::text
    """,
    "delete from esims.outbox where customer_id = $1",
)


async def export(
    database: Database, customer_id: UUID, emails: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Return every row of the customer's, as the table's name and a JSON object.

    Travelers without an account are found by the customer's e-mail addresses.
    """
    found = []
    async with database.system() as connection:
        for table, query in TABLES.items():
            given = (customer_id, list(emails)) if "$2" in query else (customer_id,)
            found += [(table, row["row"]) for row in await connection.fetch(query, *given)]
    return found


async def erase(database: Database, customer_id: UUID, iccids: Sequence[str]) -> list[str]:
    """Erase the customer's data from these eSIMs, or from all, and from all other tables, in one transaction.

    Returns the ICCIDs of the erased eSIMs; others than the customer's are ignored. Repeatable.
    """
    async with database.system() as connection:
        rows = await connection.fetch(LOCK, customer_id, list(iccids))
        own = [row for row in rows if row["is_own"]]
        owned = [row["id"] for row in own]
        await connection.execute(ERASE_BUNDLES, owned, ERASED)
        await connection.execute(ERASE_ESIMS, owned, ERASED)
        await connection.execute(REVOKE_LINKS, owned)
        traveled = [row["id"] for row in rows if row["is_traveled"]]
        await share_link_store.revoke_of_esims(connection, traveled)
        for statement in ERASE_PERSON:
            await connection.execute(statement, customer_id)
    # The hash proves the erasure to a person who has the id, without naming the customer to others.
    fingerprint = hashlib.sha256(str(customer_id).encode()).hexdigest()[:16]
    logger.info("customer %s: personal data of %s eSIMs erased", fingerprint, len(own))
    return [row["iccid"] for row in own]
