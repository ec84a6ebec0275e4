"""SQL to export and erase what organizations hold about one person; nothing here commits.

An organization's orders, eSIMs and money are not the person's: of these, only who acted is erased.
"""

from uuid import UUID

from kit.db.database import Connection

# The addresses with which the person has joined organizations: travelers and invitations have no id to go by.
ADDRESSES = """
    (select lower(a.email) from orders.members a where a.user_id = $1 and a.email <> '')
"""
# Whole rows but for secrets and for who else acted, so that a column that is added later is exported too.
EXPORT = {
    "members": """
        select to_jsonb(m) - array['added_by', 'removed_by'] || jsonb_build_object('organization', o.name)
        from orders.members m join orders.organizations o on o.id = m.organization_id
        where m.user_id = $1 order by m.since, m.id
    """,
    "group_members": """
        select to_jsonb(g) || jsonb_build_object('group', n.name)
        from orders.group_members g join orders.groups n on n.id = g.group_id
        where g.user_id = $1 order by g.added_at, g.group_id
    """,
    "invitations": f"""
        select to_jsonb(i) - array['token_hash', 'invited_by'] from orders.invitations i
        where i.accepted_by = $1 or lower(i.email) in {ADDRESSES} order by i.created_at, i.id
    """,  # noqa: S608 - only constants of this file go in
    "budgets": """
        select to_jsonb(b) - array['created_by', 'updated_by'] from orders.budgets b
        where b.user_id = $1 order by b.created_at, b.id
    """,
    "budget_periods": """
        select to_jsonb(p) from orders.budget_periods p join orders.budgets b on b.id = p.budget_id
        where b.user_id = $1 order by p.budget_id, p.starts_on
    """,
    "budget_reservations": """
        select to_jsonb(r) from orders.budget_reservations r join orders.budgets b on b.id = r.budget_id
        where b.user_id = $1 order by r.created_at, r.purchase_id
    """,
    "batches": """
        select to_jsonb(b) - array['fingerprint', 'lease_owner', 'leased_until', 'cancelled_by']
        from orders.batches b where b.customer_id = $1 order by b.created_at, b.id
    """,
    # Rows of others' batches in which the person travels, and all rows of their own purchases.
    "batch_items": f"""
        select to_jsonb(i) from orders.batch_items i join orders.batches b on b.id = i.batch_id
        where i.traveler_user_id = $1 or lower(i.traveler_email) in {ADDRESSES}
            or (b.customer_id = $1 and b.organization_id is null)
        order by i.batch_id, i.position
    """,  # noqa: S608 - the same
    "batch_orders": """
        select to_jsonb(o) from orders.batch_orders o join orders.batches b on b.id = o.batch_id
        where b.customer_id = $1 and b.organization_id is null order by o.batch_id, o.n
    """,
}
# Parameters: the person's id, and the id that replaces it. Tables in which rows are found by e-mail address
# come before the tables that the addresses are read from.
ERASE = (
    f"""
    update orders.batch_items i
    set traveler_name = '', traveler_email = '', traveler_user_id = null, traveler_id = null,
        reference = case when b.organization_id is null then '' else i.reference end
    from orders.batches b
    where b.id = i.batch_id and $2::uuid is not null and (
        i.traveler_user_id = $1 or lower(i.traveler_email) in {ADDRESSES}
        or (b.customer_id = $1 and b.organization_id is null)
    )
    """,  # noqa: S608 - the same
    """
    update orders.batches
    set customer_id = $2, idempotency_key = null,
        name = case when organization_id is null then '' else name end
    where customer_id = $1
    """,
    f"""
    update orders.invitations
    set email = 'erased', accepted_by = case when accepted_by is null then null else $2::uuid end,
        revoked_at = case when accepted_at is null then coalesce(revoked_at, now()) end
    where accepted_by = $1 or lower(email) in {ADDRESSES}
    """,  # noqa: S608 - the same
    "update orders.budgets set user_id = $2, ended_at = coalesce(ended_at, now()) where user_id = $1",
    "delete from orders.group_members where user_id = $1 and $2::uuid is not null",
    "delete from orders.outbox where customer_id = $1 and $2::uuid is not null",
    "update orders.members set user_id = $2, email = '' where user_id = $1",
)
# Columns that say who acted, by table.
ACTORS = (
    ("organizations", "created_by"),
    ("members", "added_by"),
    ("members", "removed_by"),
    ("groups", "created_by"),
    ("invitations", "invited_by"),
    ("budgets", "created_by"),
    ("budgets", "updated_by"),
    ("batches", "cancelled_by"),
    ("api_keys", "created_by"),
    ("api_keys", "revoked_by"),
    ("statement_settlements", "actor"),
)
RUNNING = """
select id from orders.batches where customer_id = $1 and finished_at is null order by created_at, id
"""
# Also those that have ended already: an erasure that was interrupted is repeated.
STATES = """
select distinct m.organization_id, o.name, o.version, m2.user_id is not null as active
from orders.members m
    join orders.organizations o on o.id = m.organization_id
    left join orders.members m2
        on m2.organization_id = m.organization_id and m2.user_id = m.user_id and m2.until is null
where m.user_id = $1 order by m.organization_id
"""


async def running_batches(connection: Connection, user_id: UUID) -> list[UUID]:
    """Return the ids of the person's batches that are not finished."""
    return [row["id"] for row in await connection.fetch(RUNNING, user_id)]


async def memberships(connection: Connection, user_id: UUID) -> list[tuple[UUID, str, int, bool]]:
    """Return the person's organizations, past ones too: id, name, number of changes, and if active."""
    rows = await connection.fetch(STATES, user_id)
    return [(r["organization_id"], r["name"], r["version"], r["active"]) for r in rows]


async def addresses(connection: Connection, user_id: UUID) -> list[str]:
    """Return the e-mail addresses with which the person has joined organizations, in lower case."""
    rows = await connection.fetch(f"select distinct a from {ADDRESSES} as t(a) order by a", user_id)  # noqa: S608 - constants only
    return [row["a"] for row in rows]


async def erase(connection: Connection, user_id: UUID, nobody: UUID) -> None:
    """Erase the person from organizations; their memberships must have ended."""
    for statement in ERASE:
        await connection.execute(statement, user_id, nobody)
    for table, column in ACTORS:
        await connection.execute(
            f"update orders.{table} set {column} = 'erased' where {column} = $1",  # noqa: S608 - constants
            str(user_id),
        )
