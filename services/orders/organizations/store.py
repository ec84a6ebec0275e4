"""SQL of organizations; nothing here commits."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kit.db.database import Connection
from kit.errors import invalid
from services.orders.organizations.membership import Billing, MemberRole
from services.orders.organizations.organization import Organization, Profile

PROFILE = (
    *("name", "billing_address", "country", "tax_id", "currency", "billing", "credit_limit"),
    *("locale", "time_zone"),
)
COLUMNS = f"""o.id, {", ".join(f"o.{name}" for name in PROFILE)}, o.credit_reserved, o.credit_owed, o.status,
    o.created_at"""
PLACES = ", ".join(f"${number}" for number in range(1, len(PROFILE) + 1))
CREATE = f"""
insert into orders.organizations as o ({", ".join(PROFILE)}, created_by)
values ({PLACES}, ${len(PROFILE) + 1})
returning {COLUMNS}
"""  # noqa: S608 - only constants of this file go in
FIND = f"select {COLUMNS} from orders.organizations o where o.id = $1"  # noqa: S608 - the same
UPDATE = f"""
update orders.organizations o
set name = $2, billing_address = $3, country = $4, tax_id = $5, billing = $6, credit_limit = $7, locale = $8,
    time_zone = $9, updated_at = now()
where o.id = $1
returning {COLUMNS}
"""  # noqa: S608 - the same
SET_STATUS = f"""
update orders.organizations o set status = $2, updated_at = now() where o.id = $1 returning {COLUMNS}
"""  # noqa: S608 - the same
PAGE = f"""
select {COLUMNS} from orders.organizations o
where $1::timestamptz is null or (o.created_at, o.id) < ($1, $2::uuid)
order by o.created_at desc, o.id desc limit $3
"""  # noqa: S608 - the same
# A person is a member of a few organizations; the limit is one of safety.
OF_USER = f"""
select {COLUMNS}, m.role as member_role
from orders.members m join orders.organizations o on o.id = m.organization_id
where m.user_id = $1 and m.until is null order by lower(o.name), o.id limit 1000
"""  # noqa: S608 - the same


def read_row(row: Any) -> Organization:
    """Build an organization from a row with COLUMNS."""
    values = {name: row[name] for name in PROFILE}
    return Organization(
        id=row["id"],
        profile=Profile(**(values | {"billing": Billing(row["billing"])})),
        credit_reserved=row["credit_reserved"],
        credit_owed=row["credit_owed"],
        suspended=row["status"] == "SUSPENDED",
        created_at=row["created_at"],
    )


async def create(connection: Connection, profile: Profile, actor: str) -> Organization:
    """Record a new organization without members; raises Failure INVALID for an unknown time zone."""
    await _require_zone(connection, profile.time_zone)
    values = [getattr(profile, name) for name in PROFILE]
    return read_row(await connection.fetchrow(CREATE, *values, actor))


async def _require_zone(connection: Connection, name: str) -> None:
    """Refuse a zone that only Python knows: the statements of all organizations are found with one query."""
    known = "select exists (select from pg_timezone_names where name = $1)"
    if not await connection.fetchval(known, name):
        text = f"must be known to PostgreSQL, whose time zone database has no {name}"
        raise invalid({"time_zone": text})


async def find(
    connection: Connection, organization_id: UUID, *, lock: bool = False
) -> Organization | None:
    """Return the organization with this id; with `lock`, no other transaction changes it meanwhile."""
    query = f"{FIND} for update of o" if lock else FIND
    row = await connection.fetchrow(query, organization_id)
    return read_row(row) if row else None


async def update(connection: Connection, organization_id: UUID, profile: Profile) -> Organization:
    """Replace what the shop entered, except for the currency, which never changes.

    Raises Failure INVALID for an unknown time zone.
    """
    await _require_zone(connection, profile.time_zone)
    return read_row(
        await connection.fetchrow(
            UPDATE,
            organization_id,
            profile.name,
            profile.billing_address,
            profile.country,
            profile.tax_id,
            profile.billing,
            profile.credit_limit if profile.billing is Billing.INVOICE else Decimal(0),
            profile.locale,
            profile.time_zone,
        )
    )


async def set_suspended(
    connection: Connection, organization_id: UUID, *, suspended: bool
) -> Organization | None:
    """Begin or end a suspension; None if there is no organization with this id."""
    status = "SUSPENDED" if suspended else "ACTIVE"
    row = await connection.fetchrow(SET_STATUS, organization_id, status)
    return read_row(row) if row else None


async def list_page(
    connection: Connection, after: tuple[datetime, UUID] | None, limit: int
) -> list[Organization]:
    """Return at most `limit` organizations, newest first, that come after a position."""
    created_at, organization_id = after or (None, None)
    rows = await connection.fetch(PAGE, created_at, organization_id, limit)
    return [read_row(row) for row in rows]


async def of_user(connection: Connection, user_id: UUID) -> list[tuple[Organization, MemberRole]]:
    """Return the organizations of a member with the member's role in each, by name."""
    rows = await connection.fetch(OF_USER, user_id)
    return [(read_row(row), MemberRole(row["member_role"])) for row in rows]
